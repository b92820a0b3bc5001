"""The MCP contenders' configurations, as they are written for a set-up."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import operations
from tests.benchmarks.opponents.model import Opponent, Program, SetUp
from tests.benchmarks.opponents.table import MCP_OPPONENTS

TOKENS = tuple(f"jfn_rt_{number:038}" for number in range(20))
PORT, UPSTREAM = 41001, 41002


def set_up(folder: Path) -> SetUp:
    digests = tuple(f"{number:064x}" for number in range(20))
    setup = SetUp(folder, PORT, UPSTREAM, TOKENS, digests, folder / "data", tools=12)
    setup.document.write_text(operations.document(12, UPSTREAM), "utf-8")
    return setup


def programs(opponent: Opponent) -> dict[str, Program]:
    return {name: Program(Path("/x") / name, "1", {"NODE": "node"}) for name in opponent.programs}


@pytest.mark.parametrize("opponent", MCP_OPPONENTS, ids=lambda each: each.name)
def test_a_contender_listens_on_loopback_and_has_no_key_in_its_command_line(
    opponent: Opponent, tmp_path: Path
) -> None:
    launch = opponent.launch(set_up(tmp_path), programs(opponent))
    told = "\n".join([*launch.command, *(path.read_text() for path in tmp_path.glob("envoy.json"))])
    assert str(PORT) in told
    assert "127.0.0.1" in told
    assert "0.0.0.0" not in told
    secrets = [
        *TOKENS,
        *(v for name, v in launch.env.items() if v and name.endswith(("KEY", "TOKEN"))),
    ]
    assert [word for word in launch.command if any(secret in word for secret in secrets)] == []


def test_envoys_bridge_knows_every_operation_behind_the_check_of_the_token(tmp_path: Path) -> None:
    [envoy] = [each for each in MCP_OPPONENTS if each.programs == ("envoy",)]
    envoy.launch(set_up(tmp_path), programs(envoy))
    config = json.loads((tmp_path / "envoy.json").read_text("utf-8"))
    [chain] = config["static_resources"]["listeners"][0]["filter_chains"]
    check, bridge, router = chain["filters"][0]["typed_config"]["http_filters"]
    assert "api_key_auth" in check["name"]
    assert "router" in router["name"]
    known = bridge["typed_config"]["tool_config"]["tools"]
    assert [tool["name"] for tool in known] == [tool["name"] for tool in operations.tools(12)]


def test_contenders_have_names_of_their_own() -> None:
    assert len({each.name for each in MCP_OPPONENTS}) == len(MCP_OPPONENTS)
