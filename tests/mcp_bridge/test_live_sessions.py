"""Sessions over real sockets: who may use one, for how long, and that ending it ends it."""

from mcp_bridge.session import MAX_AGE
from tests.mcp_bridge.serving import STATELESS, serving


async def test_a_session_is_good_in_another_process_with_the_same_keys() -> None:
    async with serving() as one, serving() as other:
        session = {"mcp-session-id": await one.session()}
        assert (await other.call("tools/list", headers=session)).status_code == 200


async def test_a_session_of_other_keys_is_not_found() -> None:
    async with serving() as one, serving(key=b"x" * 32) as other:
        session = {"mcp-session-id": await one.session()}
        assert (await other.call("ping", headers=session)).status_code == 404


async def test_a_missing_id_is_served_on_the_token_alone() -> None:
    async with serving() as edge:
        assert (await edge.call("tools/list")).status_code == 200


async def test_a_foreign_session_is_not_found() -> None:
    async with serving() as edge:
        session = {"mcp-session-id": await edge.session()}
        for foreign in ({"x-caller": "tok_b"}, {"x-caller": "nobody"}, {"x-function": "mail"}):
            answer = await edge.call("ping", headers={**session, **foreign})
            assert answer.status_code == 404
            assert answer.json()["error"]["data"]["code"] == "not_found"
            ended = await edge.client.delete(edge.url, headers={**session, **foreign})
            assert ended.status_code == 404
        assert (await edge.call("ping", headers=session)).status_code == 200


async def test_a_forged_or_cut_session_is_not_found() -> None:
    async with serving() as edge:
        session = await edge.session()
        version, kid, payload, mac = session.split(".")
        forged = [
            session[:-1],
            session + "A",
            ".".join([version, kid, payload, mac[::-1]]),
            ".".join([version, "k2", payload, mac]),
            ".".join([version, kid, payload[:-4] + "AAAA", mac]),
            "v1...",
            "x",
            "a" * 5000,
            "",
        ]
        for text in forged:
            answer = await edge.call("ping", headers={"mcp-session-id": text})
            assert answer.status_code == 404, text


async def test_two_session_headers_are_refused() -> None:
    async with serving() as edge:
        session = await edge.session()
        headers = [("content-type", "application/json"), *[("mcp-session-id", session)] * 2]
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert (await edge.client.post(edge.url, json=body, headers=headers)).status_code == 400


async def test_delete_ends_a_session_for_good_and_no_other() -> None:
    async with serving() as edge:
        first, second = await edge.session(), await edge.session()
        headers = {"mcp-session-id": first}
        assert (await edge.client.delete(edge.url, headers=headers)).status_code == 204
        assert (await edge.call("ping", headers=headers)).status_code == 404
        assert (await edge.client.delete(edge.url, headers=headers)).status_code == 404
        assert (await edge.call("ping", headers={"mcp-session-id": second})).status_code == 200


async def test_a_session_ends_with_its_age_however_much_it_is_used() -> None:
    async with serving() as edge:
        headers = {"mcp-session-id": await edge.session()}
        edge.now += MAX_AGE - 2
        assert (await edge.call("ping", headers=headers)).status_code == 200
        edge.now += 2
        assert (await edge.call("ping", headers=headers)).status_code == 404


async def test_the_revision_of_the_session_holds_where_none_is_said() -> None:
    async with serving() as edge:
        call = {"name": "createOrder", "arguments": {"item": "x"}}
        new = {"mcp-session-id": await edge.session("2025-11-25")}
        old = {"mcp-session-id": await edge.session("2025-03-26")}
        assert "structuredContent" in (await edge.call("tools/call", call, new)).json()["result"]
        assert (
            "structuredContent" not in ((await edge.call("tools/call", call, old)).json()["result"])
        )


async def test_a_different_handshake_revision_is_refused() -> None:
    async with serving() as edge:
        session = {"mcp-session-id": await edge.session("2025-11-25")}
        same = {**session, "mcp-protocol-version": "2025-11-25"}
        other = {**session, "mcp-protocol-version": "2025-06-18"}
        assert (await edge.call("ping", headers=same)).status_code == 200
        assert (await edge.call("ping", headers=other)).status_code == 400


async def test_the_stateless_revision_ignores_session_ids() -> None:
    async with serving() as edge:
        answer = await edge.stateless("tools/list", headers={"mcp-session-id": "nonsense"})
        assert answer.status_code == 200
        assert STATELESS not in answer.headers.get("mcp-session-id", "")
