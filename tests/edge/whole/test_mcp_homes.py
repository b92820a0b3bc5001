"""Functions at several addresses that are MCP servers: each session stays where it was opened."""

import json

from tests.edge.whole.test_mcp_upstream_wire import CALL, JSON, json_answer, open_session
from tests.support.calling import Caller
from tests.support.edge_in_process import EdgeInProcess
from tests.support.origin import Behaviour, Visit, serving


def one_of_several(name: bytes) -> Behaviour:
    """Knows the one session that it opens; says in answers which it is."""

    async def behave(visit: Visit) -> None:
        while True:
            seen = await visit.request()
            if b'"initialize"' in seen.body:
                identity = json.dumps(json.loads(seen.body)["id"]).encode()
                said = b'{"jsonrpc":"2.0","id":%b,"result":{"protocolVersion":"2025-11-25"}}'
                await visit.send(json_answer(said % identity, b"mcp-session-id: own-" + name))
            elif seen.values(b"mcp-session-id") == [b"own-" + name]:
                await visit.send(json_answer(b'"%b"' % name))
            else:
                await visit.send(json_answer(b"{}", status=b"404 Not Found"))

    return behave


async def test_a_session_stays_at_its_address_and_moves_when_that_is_gone(
    edge: EdgeInProcess,
) -> None:
    async with serving(one_of_several(b"a")) as a, serving(one_of_several(b"b")) as b:
        async with serving(one_of_several(b"c")) as c:
            edge.deploy([a.upstream, b.upstream, c.upstream], mcp={"upstream": "/mcp"})
            caller = Caller(edge, "1.1")
            sessions = [await open_session(caller) for _ in range(3)]
            answers = []
            for session in sessions * 2:
                named = (*JSON, ("Mcp-Session-Id", session))
                answers.append((await caller.ask("/mcp", "POST", named, CALL)).json)
            assert sorted(answers[:3]) == ["a", "b", "c"]
            assert answers[:3] == answers[3:]
            lost = sessions[answers.index("c")]
        named = (*JSON, ("Mcp-Session-Id", lost))
        moved = [await caller.ask("/mcp", "POST", named, CALL) for _ in range(3)]
        assert [answer.status for answer in moved] == [200, 200, 200]
        assert len({answer.json for answer in moved} - {"c"}) == 1
