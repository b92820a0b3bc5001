"""Last use is written down whole, in pieces that let other writers in between."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge import housekeeping
from edge.housekeeping import LastUse
from tokens.database import Database
from tokens.errors import StoreError
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

NOW = 4_000_000_000.0


class Kept:
    """A store with some tokens, that counts its commits and fails when told to."""

    def __init__(self, directory: Path) -> None:
        self.commits = 0
        self.fail_at: int | None = None
        self.database = Database.open(directory, create=True, on_commit=self._committed)
        self.service = TokenService(SqliteTokens(self.database), self.database.clock, os.urandom)
        self.ids = [self.service.create("shop", f"t{number}").token.id for number in range(25)]
        self.commits = 0

    def _committed(self, _: int) -> None:
        self.commits += 1
        if self.commits == self.fail_at:
            raise StoreError("the disk is full")

    def used(self) -> list[float | None]:
        """What is written down of each."""
        return [token.last_used for token in self.service.list("shop")]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    with closing(made.database):
        yield made


async def test_it_is_written_down_in_pieces(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "TOUCHED_AT_ONCE", 10)
    last_use = LastUse(kept.service)
    await last_use.flush()
    assert kept.commits == 0
    for token_id in kept.ids:
        last_use.note(token_id, NOW)
    await last_use.flush()
    assert kept.used() == [NOW] * 25
    assert kept.commits == 3


async def test_what_could_not_be_written_is_written_the_next_time(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "TOUCHED_AT_ONCE", 10)
    last_use, kept.fail_at = LastUse(kept.service), 2
    for token_id in kept.ids:
        last_use.note(token_id, NOW)
    with pytest.raises(StoreError):
        await last_use.flush()
    last_use.note(kept.ids[-1], NOW + 1)
    await last_use.flush()
    assert kept.used() == [NOW] * 24 + [NOW + 1]
