"""`jelou mcp rotate-keys`: new keys for session ids and seals, while the edge runs."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

from edge.admin.errors import AdminError
from edge.admin.stores import open_database, usable
from edge.admin.times import Time
from edge.audit.store import AuditTrail
from edge.cli import output
from edge.cli.context import Session
from edge.cli.durations import Duration
from edge.cli.group import command, session
from edge.keys import DELAY, KeysError, rotate
from edge.state.kept import SEALING_KEYS, SESSION_KEYS
from tokens.database import FILE

FILES = (SESSION_KEYS, SEALING_KEYS)


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """One file of keys after a rotation.

    Attributes:
        kid: of the new key.
        used_from: when that begins to be used.
        accepted: how many keys the file holds now.
    """

    file: str
    kid: str
    used_from: Time
    accepted: int


@command("rotate-keys")
@click.option(
    "--delay",
    type=Duration(),
    default=DELAY,
    metavar="10m",
    help="When the new keys begin to be used (default, and least: 10s).",
)
@session
def rotate_keys(session: Session, delay: float) -> None:
    """Sign MCP sessions, and seal what clients carry back, with new keys.

    No session ends: what the old keys signed is accepted until its age is out, and running workers
    take the new ones up by themselves. Where several nodes serve one edge, choose a delay that is
    long enough to copy the files of keys to each.
    """
    directory = session.target().directory
    if directory is None:
        raise AdminError("FORBIDDEN", "Keys are rotated on the edge's own machine")
    session.show(_rotated(directory, delay), _told)


def _rotated(directory: Path, delay: float) -> tuple[RotatedKeys, ...]:
    try:
        if not (directory / FILE).exists():
            raise AdminError("NOT_FOUND", f"There is no edge in {directory}; choose --data-dir")
        with usable(directory), closing(open_database(directory, "open")) as database:
            AuditTrail(database).note("mcp.keys_rotated", files=list(FILES), delay=delay)
        return tuple(_rotate(directory / name, delay) for name in FILES)
    except KeysError as error:
        raise AdminError("API_ERROR", str(error)) from None
    except OSError as error:
        message = f"The keys in {directory} cannot be written: {error.strerror or error}"
        raise AdminError("API_ERROR", message) from None


def _rotate(path: Path, delay: float) -> RotatedKeys:
    records = rotate(path, os.urandom, time.time(), delay)
    return RotatedKeys(path.name, records[0].key.kid, records[0].signs_from, len(records))


def _told(found: tuple[RotatedKeys, ...]) -> Iterator[str]:
    yield output.done("Rotated the keys")
    rows = [
        [keys.file, keys.kid, output.moment(keys.used_from), f"{keys.accepted} keys"]
        for keys in found
    ]
    yield from output.table(["File", "New key", "Used from", "Accepted"], rows)
