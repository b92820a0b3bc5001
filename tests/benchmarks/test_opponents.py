"""The contenders' configurations, as they are written for a set-up."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.benchmarks.opponents.model import USED, Opponent, Program, SetUp, Tls
from tests.benchmarks.opponents.table import OPPONENTS
from tests.benchmarks.scenarios import SCENARIOS

TOKENS = tuple(f"jfn_rt_{number:038}" for number in range(20))
PORT, UPSTREAM = 41001, 41002
CASES = [
    pytest.param(opponent, secure, id=f"{opponent.name}{' over TLS' if secure else ''}")
    for opponent in OPPONENTS
    for secure in (False, True)
]


def set_up(folder: Path, secure: bool) -> SetUp:
    for name in ("cert.pem", "key.pem"):
        (folder / name).write_text(f"{name}\n", "utf-8")
    digests = tuple(hashlib.sha256(token.encode()).hexdigest() for token in TOKENS)
    tls = Tls(folder / "cert.pem", folder / "key.pem") if secure else None
    return SetUp(folder, PORT, UPSTREAM, TOKENS, digests, folder / "data", tls)


def programs(opponent: Opponent) -> dict[str, Program]:
    names = {*opponent.programs, "nginx-lua", "nginx", "python"}
    return {name: Program(Path(name), "1", {"LUA_PACKAGES": "lua"}) for name in names}


@pytest.mark.parametrize(("opponent", "secure"), CASES)
def test_a_contender_is_told_ports_tokens_and_certificate(
    opponent: Opponent, secure: bool, tmp_path: Path
) -> None:
    launch = opponent.launch(set_up(tmp_path, secure), programs(opponent))
    told = "\n".join([*launch.command, *launch.env.values()])
    told += "".join(p.read_text("utf-8") for p in tmp_path.iterdir() if p.suffix != ".pem")
    assert str(PORT) in told
    assert opponent.ours or str(UPSTREAM) in told
    assert not secure or "cert.pem" in told or (tmp_path / "both.pem").exists()
    knows = [token for token in TOKENS if token in told]
    digested = hashlib.sha256(TOKENS[0].encode()).hexdigest() in told.lower()
    assert opponent.ours or digested or set(knows) >= set(TOKENS[:USED])


@pytest.mark.parametrize("opponent", OPPONENTS, ids=lambda each: each.name)
def test_no_token_stands_in_a_command_line(opponent: Opponent, tmp_path: Path) -> None:
    command = opponent.launch(set_up(tmp_path, secure=False), programs(opponent)).command
    assert [word for word in command if "jfn_rt_" in word] == []


@pytest.mark.parametrize("name", ["Envoy", "Traefik"])
def test_what_is_read_as_json_is_json(name: str, tmp_path: Path) -> None:
    opponent = next(each for each in OPPONENTS if each.name == name)
    opponent.launch(set_up(tmp_path, secure=True), programs(opponent))
    [config] = [path for path in tmp_path.iterdir() if path.suffix in (".json", ".yml")]
    assert json.loads(config.read_text("utf-8"))


def test_scenarios_have_names_of_their_own() -> None:
    assert len({scenario.key for scenario in SCENARIOS}) == len(SCENARIOS)
    assert len({scenario.title for scenario in SCENARIOS}) == len(SCENARIOS)
