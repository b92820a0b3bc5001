"""Open streams end with what let them in, and with nothing else."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from edge.gate.decide import decide
from edge.gate.decisions import Decision, GateSettings
from edge.message import Head
from edge.state.streams import OpenStream, OpenStreams
from edge.state.view import StoreUnavailable
from tests.support.asking import GOOD, MADE_UP, NOW, SHORT_LIVED, TOKENS, Known, function, head
from tokens.secret import digest


@dataclass
class World:
    """The gate over functions and tokens that a test may change."""

    known: Known = field(default_factory=lambda: Known((function(),)))
    now: float = NOW
    asked: int = 0
    broken: bool = False
    settings: GateSettings = field(default_factory=GateSettings)

    async def decide(self, asked: Head) -> Decision:
        self.asked += 1
        if self.broken:
            raise StoreUnavailable
        return decide(self.known, asked, self.now, self.settings)


@dataclass
class Opened:
    """A stream that notes how often it was ended."""

    secret: str = GOOD
    ended: int = 0

    def stream(self, secret: str = "") -> OpenStream:
        token = secret or self.secret
        return OpenStream(head(token=token), TOKENS[token].expires, self.end)

    def end(self) -> None:
        self.ended += 1


async def test_while_nothing_changes_no_stream_is_judged_again() -> None:
    world, streams, opened = World(), OpenStreams(), Opened()
    with streams.holding(opened.stream()):
        assert len(streams) == 1
        await streams.sweep(world.now, world.decide)  # it began some time after it was let in
        assert (world.asked, opened.ended) == (1, 0)
        await streams.sweep(world.now, world.decide)
        assert (world.asked, opened.ended) == (1, 0)
    assert len(streams) == 0


async def test_a_stream_that_began_after_its_token_was_revoked_ends() -> None:
    world, streams, opened = World(), OpenStreams(), Opened()
    world.known.tokens[GOOD] = replace(TOKENS[GOOD], revoked=NOW)
    streams.world_changed()
    await streams.sweep(world.now, world.decide)
    with streams.holding(opened.stream()):
        await streams.sweep(world.now, world.decide)
        assert opened.ended == 1


async def test_a_revoked_token_ends_its_streams_and_no_others() -> None:
    world, streams, one, other = World(), OpenStreams(), Opened(), Opened(SHORT_LIVED)
    with streams.holding(one.stream()), streams.holding(other.stream()):
        world.known.tokens[GOOD] = replace(TOKENS[GOOD], revoked=NOW)
        streams.world_changed()
        await streams.sweep(world.now, world.decide)
        assert (one.ended, other.ended) == (1, 0)


@pytest.mark.parametrize("place", ["x-jelou-token", "authorization", "x-api-key"])
async def test_a_change_of_a_token_is_judged_by_the_streams_that_carry_it(place: str) -> None:
    world, streams, one, other = World(), OpenStreams(), Opened(), Opened()
    world.settings = GateSettings(accept_tokens_in=("x-jelou-token", "authorization", "x-api-key"))
    value = f"Bearer {GOOD}" if place == "authorization" else GOOD
    carrying = OpenStream(head("GET", b"/", (place.encode(), value.encode())), None, one.end)
    with streams.holding(carrying), streams.holding(other.stream(SHORT_LIVED)):
        await streams.sweep(NOW, world.decide)
        world.asked = 0
        world.known.tokens[GOOD] = replace(TOKENS[GOOD], revoked=NOW)
        streams.world_changed((("token", digest(GOOD).hex()), ("session", "n1")))
        await streams.sweep(NOW, world.decide)
        assert (world.asked, one.ended, other.ended) == (1, 1, 0)
        streams.world_changed((("token", digest(MADE_UP).hex()),))
        await streams.sweep(NOW, world.decide)
        assert world.asked == 1
    streams.world_changed((("token", digest(GOOD).hex()),))
    await streams.sweep(NOW, world.decide)
    assert world.asked == 1


async def test_a_change_of_any_function_is_judged_by_all() -> None:
    world, streams, one, other = World(), OpenStreams(), Opened(), Opened()
    with streams.holding(one.stream()), streams.holding(other.stream(SHORT_LIVED)):
        await streams.sweep(NOW, world.decide)
        world.known.functions = (function("another", hosts=("shop.fn.localhost",)),)
        streams.world_changed((("function", "another"), ("token", digest(GOOD).hex())))
        await streams.sweep(NOW, world.decide)
        assert (one.ended, other.ended) == (1, 1)


async def test_others_have_their_turn_while_many_streams_are_judged() -> None:
    world, streams, turns = World(), OpenStreams(), 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    many = [Opened().stream() for _ in range(1000)]
    for stream in many:
        streams.add(stream)
    task = asyncio.create_task(other())
    await streams.sweep(NOW, world.decide)
    task.cancel()
    assert world.asked == 1000
    assert turns >= 9


async def test_a_change_is_judged_once() -> None:
    world, streams, opened = World(), OpenStreams(), Opened()
    with streams.holding(opened.stream()):
        streams.world_changed()
        await streams.sweep(world.now, world.decide)
        await streams.sweep(world.now, world.decide)
        assert (world.asked, opened.ended) == (1, 0)


async def test_a_deleted_function_ends_its_streams() -> None:
    world, streams, opened = World(), OpenStreams(), Opened()
    with streams.holding(opened.stream()):
        world.known.functions = ()
        streams.world_changed()
        await streams.sweep(world.now, world.decide)
        assert opened.ended == 1


async def test_an_expired_token_ends_its_streams_without_any_change() -> None:
    world, streams, opened = World(), OpenStreams(), Opened(SHORT_LIVED)
    with streams.holding(opened.stream()):
        await streams.sweep(NOW + 59, world.decide)
        assert opened.ended == 0
        await streams.sweep(NOW + 60, world.decide)
        assert opened.ended == 1


async def test_a_token_that_is_rotated_out_ends_its_streams_when_its_overlap_is_over() -> None:
    world, streams, opened = World(), OpenStreams(), Opened()
    with streams.holding(opened.stream()):
        world.known.tokens[GOOD] = TOKENS[GOOD].rotated_out("tok_new", NOW + 30)
        streams.world_changed()
        await streams.sweep(NOW, world.decide)
        assert opened.ended == 0
        world.now = NOW + 30
        await streams.sweep(world.now, world.decide)
        assert opened.ended == 1


async def test_a_change_that_could_not_be_judged_is_judged_later() -> None:
    world, streams, opened = World(), OpenStreams(), Opened()
    with streams.holding(opened.stream()):
        world.known.tokens[GOOD] = replace(TOKENS[GOOD], revoked=NOW)
        world.broken = True
        streams.world_changed()
        with pytest.raises(StoreUnavailable):
            await streams.sweep(NOW, world.decide)
        world.broken = False
        await streams.sweep(NOW, world.decide)
        assert opened.ended == 1


async def test_a_stream_that_is_over_is_not_ended_again() -> None:
    world, streams, opened = World(), OpenStreams(), Opened()
    holding = streams.holding(opened.stream())
    holding.__enter__()

    async def leaving(asked: Head) -> Decision:
        holding.__exit__(None, None, None)
        return await world.decide(asked)

    world.known.functions = ()
    streams.world_changed()
    await streams.sweep(NOW, leaving)
    assert (world.asked, opened.ended) == (1, 0)


async def test_a_shutdown_ends_every_stream() -> None:
    streams, one, other = OpenStreams(), Opened(), Opened()
    with streams.holding(one.stream()), streams.holding(other.stream()):
        streams.end_all()
    assert (one.ended, other.ended) == (1, 1)
