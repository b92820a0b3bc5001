"""Saved logins: which edges one manages, with the access token of each. A file, 0600.

A token is bound to its edge's URL; nothing here sends one anywhere.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.admin.errors import AdminError

FILE = "credentials.json"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Profile:
    """One login.

    Attributes:
        edge: the URL that the token is for.
        identity: whom the edge took the token for at login.
    """

    name: str
    edge: str
    token: str = field(repr=False)
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Logins:
    """All logins, and the name of the one that counts where none is named."""

    profiles: tuple[Profile, ...] = ()
    active: str | None = None

    def named(self, name: str) -> Profile:
        """The login of that name; AdminError if there is none."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        known = ", ".join(profile.name for profile in self.profiles) or "none"
        raise AdminError("NOT_FOUND", f"There is no profile {name!r}; there are: {known}")

    def for_edge(self, edge: str) -> Profile | None:
        """The login for a URL, the active one first."""
        found = [profile for profile in self.profiles if profile.edge == edge]
        return min(found, key=lambda profile: profile.name != self.active, default=None)

    def current(self) -> Profile | None:
        """The active login."""
        return self.named(self.active) if self.active is not None else None

    def with_profile(self, profile: Profile) -> "Logins":
        """With this login added or replaced, and active."""
        others = tuple(p for p in self.profiles if p.name != profile.name)
        return Logins((*others, profile), profile.name)

    def without(self, name: str) -> "Logins":
        """Without this login; if it was active, none is."""
        left = tuple(p for p in self.profiles if p.name != self.named(name).name)
        return Logins(left, None if self.active == name else self.active)

    def switched(self, name: str) -> "Logins":
        """With this login active."""
        return replace(self, active=self.named(name).name)


def location(environ: Mapping[str, str]) -> Path:
    """Where logins are kept (XDG Base Directory specification)."""
    base = environ.get("XDG_CONFIG_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(base) if os.path.isabs(base) else home / ".config") / "jelou-edge" / FILE


def load(path: Path) -> Logins:
    """The logins of a file; none if it does not exist.

    Raises:
        AdminError: it cannot be read, others can read it, or it is damaged.
    """
    try:
        text = path.read_text("utf-8")
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Logins()
    except (OSError, UnicodeDecodeError) as error:
        raise AdminError("INPUT_ERROR", f"{path} cannot be read: {error}") from None
    if mode & 0o077:
        raise AdminError("INPUT_ERROR", f"{path} can be read by others; run: chmod 600 {path}")
    try:
        return _parse(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"{path} is damaged; move it away and log in again"
        raise AdminError("INPUT_ERROR", message) from None


def save(path: Path, logins: Logins) -> None:
    """Replace the file in one step, so that a crash leaves the old or the new one.

    Raises:
        AdminError: it cannot be written; the old one is as it was.
    """
    value = {
        "active": logins.active,
        "profiles": {
            p.name: {"edge": p.edge, "token": p.token, "identity": p.identity}
            for p in logins.profiles
        },
    }
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(draft, json.dumps(value, indent=2) + "\n")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise AdminError("INPUT_ERROR", f"{path} cannot be written: {error.strerror}") from None


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read, down to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _parse(value: Any) -> Logins:
    profiles = tuple(
        Profile(name, entry["edge"], entry["token"], entry.get("identity", ""))
        for name, entry in value["profiles"].items()
    )
    active = value.get("active")
    return Logins(profiles, active if any(p.name == active for p in profiles) else None)
