"""A client's bytes through the strict reader of requests, whole or cut into pieces."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from edge.errors import EdgeError, Refusal
from edge.gate.decisions import GateSettings
from edge.message import Peer
from edge.server.requests import Begun, Content, Ended, Event, Opaque, RequestStream

PEER = Peer("192.0.2.1", "http")
SETTINGS = GateSettings()


def dripped(data: bytes) -> Iterator[bytes]:
    """One byte after the other."""
    return (data[at : at + 1] for at in range(len(data)))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes, cut at these places."""
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


def read(
    pieces: Iterable[bytes], settings: GateSettings = SETTINGS
) -> tuple[list[Event], Refusal | None]:
    """What is read of these pieces, bodies put together; and what is refused, if anything is."""
    stream = RequestStream(PEER, settings)
    events: list[Event] = []
    try:
        for piece in pieces:
            stream.feed(piece)
            while (event := stream.next()) is not None:
                _add(events, event)
    except EdgeError as error:
        return events, error.refusal
    return events, None


def heads(events: Iterable[Event]) -> list[Begun]:
    """The heads among them."""
    return [event for event in events if isinstance(event, Begun)]


def bodies(events: Iterable[Event]) -> list[bytes]:
    """The bodies of the requests that are whole."""
    found, held = [], b""
    for event in events:
        if isinstance(event, Content):
            held += event.data
        elif isinstance(event, Ended):
            found.append(held)
            held = b""
    return found


def outcome(pieces: Iterable[bytes], settings: GateSettings = SETTINGS) -> object:
    """What is read; of a body that turns out to be broken, how much came before is left open."""
    events, refused = read(pieces, settings)
    others = [event for event in events if isinstance(event, Ended | Opaque)]
    return heads(events), bodies(events), others, refused


def _add(events: list[Event], event: Event) -> None:
    last = events[-1] if events else None
    if isinstance(event, Content) and isinstance(last, Content):
        events[-1] = Content(last.data + event.data)
    elif isinstance(event, Opaque) and isinstance(last, Opaque):
        events[-1] = Opaque(last.data + event.data)
    else:
        events.append(event)
