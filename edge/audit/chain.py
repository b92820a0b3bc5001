"""The hash chain over the audit trail, and what it shows of alterations. Pure.

Each row's hash is SHA-256 over the hash of the row before and its own JSON; so a row that was
altered, removed, put in or moved breaks the chain there. A chain that was made anew from some row
on, or cut off at its end, differs from the head, which is kept outside the database.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from edge.audit.record import Record, parse

START = bytes(32)
"""What stands for the hash before the first row."""

PRUNED = "audit.pruned"


@dataclass(frozen=True, slots=True)
class Link:
    """A row's place in the chain."""

    number: int
    hash: bytes


NOTHING = Link(0, START)


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is stored: the record's JSON as text, and the hash up to it."""

    number: int
    text: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole trail has shown.

    Attributes:
        rows: how many there are.
        first: number of the first one kept; older ones were pruned.
        last: the end of the chain.
        broken: number of the first row that is not what was written, or None.
        why: what is wrong with it.
        head: the head that was compared with, or None where it is missing; rows behind it may
            have been put in by somebody else, or written just before the power went.
    """

    rows: int
    first: int
    last: Link
    broken: int | None = None
    why: str | None = None
    head: Link | None = None


def linked(before: bytes, text: bytes) -> bytes:
    """The hash of a row with this JSON after a row with that hash."""
    return hashlib.sha256(before + text).digest()


def head_text(link: Link) -> bytes:
    """The head as its file holds it."""
    return orjson.dumps({"number": link.number, "hash": link.hash.hex()})


def head_of(text: bytes) -> Link | None:
    """The opposite of `head_text`; None for what is none."""
    try:
        value = orjson.loads(text)
        return Link(int(value["number"]), bytes.fromhex(value["hash"]))
    except (ValueError, TypeError, KeyError):
        return None


def continued(last: Link, head: Link | None, at_head: bytes | None) -> Link:
    """What the next row is linked to: the last row, unless the head shows that it is not the last.

    Then the head, so that the break stays to be seen however long the trail goes on.

    Args:
        at_head: the hash of the row with the head's number, or None if there is none.
    """
    if head is None or at_head == head.hash or head == NOTHING:
        return last
    return Link(max(last.number, head.number), head.hash)


def verify(rows: Iterable[Row], head: Link | None, anchor: Link = NOTHING) -> Verdict:
    """Go along the chain.

    Args:
        rows: by number.
        head: what was last known to be its end; rows may have come since.
        anchor: the last pruned row, as `anchor_in` finds it.
    """
    last, count, first, seen_head = anchor, 0, anchor.number + 1, head is None or head == anchor
    for row in rows:
        why = _wrong(row, last)
        if why is not None:
            return Verdict(count, first, last, last.number + 1, why, head)
        last, count = Link(row.number, row.hash), count + 1
        if head is not None and row.number == head.number:
            if row.hash != head.hash:
                why = "its hash is not the one in the head file: rows up to here were made anew"
                return Verdict(count, first, last, row.number, why, head)
            seen_head = True
    if not seen_head and head is not None:
        why = f"rows up to {head.number}, which the head file knows, are missing"
        return Verdict(count, first, last, last.number + 1, why, head)
    return Verdict(count, first, last, head=head)


def _wrong(row: Row, last: Link) -> str | None:
    if row.number != last.number + 1:
        return f"it is missing; row {row.number} follows on row {last.number}"
    if linked(last.hash, row.text.encode()) != row.hash:
        return "its hash does not follow from its content and the row before"
    try:
        record = parse(row.text)
    except ValueError:
        return "it holds no record"
    return None if record.number == row.number else f"it says that it is row {record.number}"


def pruned_through(record: Record) -> Link | None:
    """What a record of a pruning says was the last row pruned."""
    if record.event != PRUNED:
        return None
    try:
        return Link(int(record.detail["through"]), bytes.fromhex(record.detail["hash"]))
    except (KeyError, ValueError, TypeError):
        return None
