"""A function that is dead beside one that lives, on a whole edge."""

import json
from contextlib import ExitStack
from pathlib import Path

from edge.admin.operations import DeployRequest
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function, function
from tests.support.whole_processes import eventually

LIMIT = 5
"""Failures in a row that open a circuit."""


def test_a_dead_function_is_left_alone_alone_and_answers_once_it_is_back(
    tmp_path: Path, origin: Function
) -> None:
    with function() as gone:
        port = int(gone.url.rpartition(":")[2])
    with ExitStack() as afterwards, serving(tmp_path / "data") as edge:
        dead, alive = _token(edge, "dead", gone.url), _token(edge, "alive", origin.url)
        caller = edge.caller()
        answers = [caller.ask("/dead/hello", dead) for _ in range(LIMIT + 1)]
        assert [answer.status for answer in answers] == [502] * LIMIT + [503]
        assert answers[-1].json["code"] == "circuit_open"
        assert answers[-1].headers["retry-after"] == "1"
        assert {caller.ask("/alive/hello", alive).status for _ in range(20)} == {200}
        back = afterwards.enter_context(function(port))
        eventually(lambda: caller.ask("/dead/hello", dead).status == 200, "it is asked again")
        assert back.requests[-1] == "/hello"
        assert {caller.ask("/dead/hello", dead).status for _ in range(20)} == {200}


def _token(edge: Edge, slug: str, url: str) -> str:
    text = json.dumps({"function": slug, "upstream": url, "openapi": False})
    return edge.operations.deploy(DeployRequest(project=text)).token or ""
