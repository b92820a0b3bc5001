"""Connecting to a name with several addresses: whichever answers first, on either event loop."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import anyio
import pytest

from edge.forwarding.eyeballs import Address, first_to_connect, taking_turns
from edge.functions import Upstream
from tests.support import origin
from tests.support.origin import serving
from tests.support.upstream_calls import call, pooled, read

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def live() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield V4, listener.getsockname()


@pytest.fixture
def refusing() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return V4, listener.getsockname()


@pytest.fixture
def dead() -> Iterator[Address]:
    """An address that answers nothing: its queue of connections is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield V4, listener.getsockname()


async def test_an_address_that_does_not_answer_does_not_hold_up_the_next(
    dead: Address, live: Address
) -> None:
    with anyio.fail_after(5):
        connection = await first_to_connect([dead, live], 0.01)
    with closing(connection):
        assert connection.getpeername() == live[1]


async def test_an_address_that_refuses_is_followed_by_the_next_at_once(
    refusing: Address, live: Address
) -> None:
    with anyio.fail_after(5):
        connection = await first_to_connect([refusing, live], 60)
    with closing(connection):
        assert connection.getpeername() == live[1]


async def test_when_all_addresses_refuse_it_fails_as_the_first_did(refusing: Address) -> None:
    with pytest.raises(ConnectionRefusedError):
        await first_to_connect([refusing, refusing], 60)


async def test_giving_up_ends_all_attempts(dead: Address) -> None:
    with anyio.move_on_after(0.1) as patience:
        await first_to_connect([dead, dead], 0.01)
    assert patience.cancelled_caught


@pytest.mark.parametrize(
    ("families", "order"),
    [
        ([V6, V6, V4, V4], [0, 2, 1, 3]),
        ([V4, V4, V4, V6], [0, 3, 1, 2]),
        ([V4], [0]),
        ([V6, V4, V4], [0, 1, 2]),
    ],
)
def test_families_take_turns_beginning_with_the_resolvers_choice(
    families: list[socket.AddressFamily], order: list[int]
) -> None:
    addresses: list[Address] = [(family, (at,)) for at, family in enumerate(families)]
    assert taking_turns(addresses) == [addresses[at] for at in order]


async def test_a_function_can_be_named_by_a_host_name() -> None:
    async with serving(origin.answering(origin.OK)) as server, pooled() as pool:
        named = Upstream("http", "localhost", server.upstream.port)
        assert await read(await call(pool, named)) == b"ok"
