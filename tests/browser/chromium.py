"""Chromium without a screen, and axe-core, which judges pages (WCAG 2 A and AA, best practices)."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.clients.packages import BROWSER, NotInstalledError, installed

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage")
DESK, PHONE = (1280, 860), (360, 740)


def program() -> Path:
    """The browser; raises NotInstalledError."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise NotInstalledError("Chromium is not installed")
    return Path(found)


def axe() -> Path:
    """axe-core's script; raises NotInstalledError."""
    return installed(BROWSER) / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def browser(executable: Path) -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield running
        finally:
            running.close()


@dataclass
class Tab:
    """One page of a browser, and what went wrong in it.

    Attributes:
        complaints: of scripts and of the content security policy; that an answer has a status of
            400 or more is none.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)

    def violations(self, script: str) -> list[str]:
        """What axe-core finds."""
        self.page.evaluate(script + ";undefined")
        found: list[dict[str, Any]] = json.loads(
            self.page.evaluate("axe.run().then(found => JSON.stringify(found.violations))")
        )
        return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found]


@contextmanager
def tab(running: Browser, size: tuple[int, int] = DESK, **more: Any) -> Iterator[Tab]:
    """A tab of its own cookies; `more` as for `Browser.new_context`."""
    viewport = {"width": size[0], "height": size[1]}
    context = running.new_context(viewport=viewport, **more)
    opened = Tab(context.new_page())
    complaints = opened.complaints
    opened.page.on("pageerror", lambda error: complaints.append(str(error)))
    opened.page.on(
        "console",
        lambda told: (
            complaints.append(told.text)
            if told.type in ("error", "warning") and "Failed to load resource" not in told.text
            else None
        ),
    )
    try:
        yield opened
    finally:
        context.close()
