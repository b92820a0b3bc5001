"""The management API, as schemathesis judges it by its own OpenAPI document, over its address.

All checks that schemathesis has for OpenAPI: no failure inside, statuses, content types, headers
and bodies as documented, nothing taken that the document forbids, nothing answered without an
access token, no method that is not documented, and what is deleted stays so.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from tests.clients.packages import or_skip, python
from tests.support.documents_origin import free_port
from tests.support.edge import running_function
from tests.support.processes import ROOT, run
from tests.support.whole_edge import serving

SETTINGS = ROOT / "tests" / "judges" / "schemathesis.toml"


@asynccontextmanager
async def from_many_addresses(port: int) -> AsyncIterator[int]:
    """A port before another one, on which each connection comes from an address of its own.

    Half of what schemathesis asks has no good access token, and an address may fail only so often.
    """
    numbers = itertools.count(2)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        high, low = divmod(next(numbers), 250)
        source = (f"127.1.{high}.{low + 1}", 0)
        there, here = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
        await asyncio.gather(pipe(reader, here), pipe(there, writer))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def judge(folder: Path, *options: str) -> str:
    """What schemathesis says of a running edge with a function behind it; fails if it finds fault.

    A seed and the number of examples decide what is asked.
    """
    program = or_skip(lambda: python("schemathesis")).with_name("schemathesis")
    admin = free_port()
    with (
        running_function() as upstream,
        serving(folder / "data", "--admin", f"127.0.0.1:{admin}") as edge,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(from_many_addresses(admin)) as port,
    ):
        edge.deploy("shop", upstream)
        token = edge.operations.create_access("judge").token
        told = ("-H", f"Authorization: Bearer {token}", "-H", "Connection: close")
        where = ("run", f"http://127.0.0.1:{port}/v1/openapi.json", "--no-color")
        kept = ("--generation-database", "none", "--checks", "all")
        command = [str(program), "--config-file", str(SETTINGS), *where, *told, *kept, *options]
        done = run(command, cwd=folder, seconds=600)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr
        assert "Traceback" not in edge.program.output()
    return done.stdout


def counted(said: str) -> tuple[int, int]:
    """How many operations were tested, and with how many requests."""
    operations, requests = (re.search(p, said) for p in (r"Tested: (\d+)", r"(\d+) generated"))
    assert operations is not None
    assert requests is not None
    return int(operations[1]), int(requests[1])


@pytest.mark.slow
def test_the_management_api_is_as_documented(tmp_path: Path) -> None:
    said = judge(tmp_path, "--seed", "1", "--max-examples", "3", "--phases", "fuzzing")
    operations, requests = counted(said)
    assert operations > 30
    assert requests > 80


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", ["2", "3"])
def test_the_management_api_is_as_documented_by_thousands_of_requests(
    tmp_path: Path, seed: str
) -> None:
    said = judge(tmp_path, "--seed", seed, "--max-examples", "100")
    operations, requests = counted(said)
    assert operations > 30
    assert requests > 3000
