"""The console of a whole edge: calls go the way that everybody takes, and are seen."""

import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.support.certificates import self_signed
from tests.support.console_visitor import Seen, Visitor
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.mcp_function import by_name, document, echo, sends, whole
from tests.support.origin import Origin, serving
from tokens.access import AccessService
from tokens.sqlite import SqliteAccess

TOOLS = ("echo", "fails", "leaks")
LEAKED = "jfn_rt_" + "0" * 32 + "2Freyo"


@asynccontextmanager
async def served(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[EdgeInProcess, Origin]]:
    """An edge with a console, and a function behind it."""
    parts = {
        "echo": echo,
        "fails": sends(whole(b'{"why": "broken"}', status="500 Oh")),
        "leaks": sends(whole(b'{"token": "%b"}' % LEAKED.encode())),
    }
    async with (
        running(tmp_path, admin="127.0.0.1:0", **settings) as edge,
        serving(by_name(parts)) as origin,
    ):
        edge.deploy(origin.upstream, document=document(*TOOLS))
        yield edge, origin


async def in_thread(work: Callable[..., Seen], *arguments: Any, **form: str) -> Seen:
    """What blocks, aside."""
    return await anyio.to_thread.run_sync(partial(work, *arguments, **form))


async def signed_in(edge: EdgeInProcess, tls: ssl.SSLContext | None = None) -> Visitor:
    """A visitor with every right."""
    access = AccessService(SqliteAccess(edge.store), edge.store.clock, os.urandom)
    visitor = Visitor(f"127.0.0.1:{edge.admin_port}", tls=tls)
    answer = await in_thread(visitor.sign_in, access.create("visitor").secret)
    assert answer.status == 303, answer
    return visitor


async def test_a_tool_is_called_for_real_and_the_call_is_seen(tmp_path: Path) -> None:
    async with served(tmp_path) as (edge, origin):
        visitor = await signed_in(edge)
        call = partial(in_thread, visitor.post)
        tool = "/admin/console/functions/shop/tools"
        answer = await call(f"{tool}/echo", how="made", json='{"size": 3}')
        assert "200</span>" in answer.text
        assert "&#34;size&#34;: 3" in answer.text.replace("\\&#34;", "&#34;").replace(":3", ": 3")
        (seen,) = [each for each in origin.seen if each.target == b"/echo"]
        assert not [name for name, _ in seen.headers if name.lower() == b"x-jelou-token"]
        failed = await call(f"{tool}/fails", how="made")
        assert "The tool says that it failed" in failed.text
        wrong = await call(f"{tool}/echo", how="pasted", token=LEAKED)
        assert "401</span>" in wrong.text
        right = await call(f"{tool}/echo", how="pasted", token=edge.token)
        assert "200</span>" in right.text
        assert edge.token not in right.text
        none = await call(f"{tool}/echo", how="none")
        assert "401</span>" in none.text
        names = {token.name for token in edge.token_service.list("shop")}
        assert names == {"default"}
        await shown(visitor, "tools/call echo", "tools/call fails", "unauthorized")


async def shown(visitor: Visitor, *words: str) -> None:
    """Wait until the live page shows all of this."""
    with anyio.fail_after(20):
        while True:
            rows = await in_thread(visitor.get, "/admin/console/live/rows", HX_Request="true")
            if all(word in rows.text for word in words):
                return
            await anyio.sleep(0.05)


async def test_no_token_that_a_function_answers_is_shown(tmp_path: Path) -> None:
    async with served(tmp_path) as (edge, _):
        visitor = await signed_in(edge)
        tool = await in_thread(
            visitor.post,
            "/admin/console/functions/shop/tools/leaks",
            how="pasted",
            token=edge.token,
        )
        form = {"method": "POST", "path": "/leaks", "type": "application/json", "body": "{}"}
        plain = await in_thread(
            visitor.post, "/admin/console/functions/shop/request", how="made", **form
        )
        for answer in (tool, plain):
            assert "200</span>" in answer.text
            assert LEAKED[8:] not in answer.text


async def test_arguments_that_cannot_be_are_told_at_their_field_and_not_sent(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (edge, origin):
        visitor = await signed_in(edge)
        answer = await in_thread(
            visitor.post, "/admin/console/functions/shop/tools/echo", how="made", json="{"
        )
        assert (answer.status, "This is not JSON" in answer.text) == (400, True)
        assert not origin.seen


@pytest.mark.parametrize("settings", [{}, {"path_addressing": False}])
async def test_over_tls_the_cookie_is_secure_and_calls_are_tls_too(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    certificate, key = self_signed(tmp_path)
    files = {"certfile": certificate, "keyfile": key}
    async with served(tmp_path, **files, **settings) as (edge, _):
        context = ssl.create_default_context(cafile=str(certificate))
        visitor = await signed_in(edge, context)
        assert list(visitor.cookies) == ["__Secure-jelou-console"]
        form = {"method": "POST", "path": "/echo?x=1", "type": "text/plain", "body": "hello"}
        answer = await in_thread(
            visitor.post, "/admin/console/functions/shop/request", how="made", **form
        )
        assert "200</span>" in answer.text
        assert "/echo?x=1" in answer.text


async def test_without_it_the_admin_address_is_the_api_alone(tmp_path: Path) -> None:
    async with running(tmp_path, admin="127.0.0.1:0", console=False) as edge:
        visitor = Visitor(f"127.0.0.1:{edge.admin_port}")
        answer = await in_thread(visitor.get, "/admin/console/")
        assert (answer.status, answer.fields["content-type"]) == (401, "application/json")
