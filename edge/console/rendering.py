"""Pages from templates, every value in them escaped, and the files that they name."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from edge.console import words
from edge.console.responses import Response
from edge.functions import CONSOLE

_HERE = Path(__file__).parent
_FILES = ("console.css", "console.js", "htmx.min.js", "icon.svg")
_FILTERS = (
    words.ago,
    words.clock,
    words.dense,
    words.lasted,
    words.moment,
    words.number,
    words.pretty,
    words.size,
    words.span,
    words.status_tone,
    words.tone,
)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    content_type: str
    digest: str


class Views:
    """The console's templates and files, read once."""

    def __init__(self) -> None:
        self._files = {name: _read(_HERE / "static" / name) for name in _FILES}
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters.update({each.__name__: each for each in _FILTERS})
        self._templates.globals.update(root=CONSOLE, static=self._address)

    def html(self, template: str, context: Mapping[str, Any]) -> bytes:
        """A page."""
        return self._templates.get_template(template).render(context).encode()

    def file(self, digest: str, name: str) -> Response | None:
        """A file that pages name, or None if there is none, or another version of it."""
        found = self._files.get(name)
        if found is None or found.digest != digest:
            return None
        return Response(200, found.content, found.content_type.encode(), kept=True)

    def _address(self, name: str) -> str:
        return f"{CONSOLE}/static/{self._files[name].digest}/{name}"


def _read(path: Path) -> _File:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return _File(content, kind, hashlib.sha256(content).hexdigest()[:16])
