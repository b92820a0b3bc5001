"""`jelou top`: what an edge does, drawn for any terminal, told to programs, and left by a key."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from edge.admin.api import AdminApi
from edge.admin.local_observed import observed
from edge.admin.operations import EdgeInfo
from edge.admin.sampling import Sample, sample
from edge.cli import top as top_command
from edge.cli.top_rows import WORTH
from edge.cli.top_screen import screen
from edge.observe.pages import Page
from tests.docs.pages import codes, page
from tests.edge.cli.conftest import Cli
from tests.support.accounts import account
from tests.support.asgi_server import on_tcp, on_unix
from tests.support.counting import VITALS, counted
from tests.support.observed import counting

INFO = EdgeInfo("http://127.0.0.1:8080", "1.2.3", True, 3, 1, 1)
NOW = 1_790_000_000.0
LINE: dict[str, Any] = {
    "time": "2026-11-24T20:55:41.204Z", "event": "request", "function": "shop", "method": "GET",
    "path": "/shop/orders", "status": 200, "whole": True, "ms": 4.61,
}  # fmt: skip
NAMES = ("shop", "ventas", "a-function-whose-name-is-longer-than-most-terminals-are-wide")
MANY = tuple(f"function-{n}" for n in range(100))


def pages(busy: int, names: Sequence[str] = NAMES, **vitals: Any) -> list[Page]:
    """Pages of two workers; the first function is asked most, the last one fails."""
    events = [
        account(name, seconds=0.02, status=500 if name == names[-1] else 200, mcp_method="ping")
        for number, name in enumerate(names)
        for _ in range(busy * (len(names) - number))
    ]
    lines = tuple({**LINE, "path": f"/shop/{n}"} for n in range(20))
    at = NOW + busy
    one = replace(VITALS, at=at, cpu=busy * 0.5, **vitals)
    two = replace(VITALS, at=at, pid=8)
    return [
        Page(0, one, counted(events), recent=lines),
        Page(1, two, counted([])),
    ]


def taken(names: Sequence[str] = NAMES, **vitals: Any) -> Sample:
    """What happened within a second."""
    return sample(observed(pages(0, names), NOW), observed(pages(1, names, **vitals), NOW + 1))


def drawn(shown: Sample, width: int, height: int, order: int = 0, problem: str = "") -> list[str]:
    """The lines of a terminal of that size."""
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as captured:
        console.print(screen(INFO, shown, (width, height), order, problem))
    return captured.get().splitlines()


@pytest.mark.parametrize("names", [NAMES, MANY], ids=["some", "many"])
@pytest.mark.parametrize("width", [30, 50, 80, 200])
@pytest.mark.parametrize("height", [14, 24, 60])
def test_the_screen_fits_whatever_terminal(names: Sequence[str], width: int, height: int) -> None:
    lines = drawn(taken(names), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[-1].startswith("q quits   s sorts")
    titles = lines[2].split()
    assert titles[:2] == ["function", "req/s"]
    assert lines[3].split()[0] == "all"


def test_a_wide_terminal_shows_all_of_it() -> None:
    lines = drawn(taken(), 160, 40)
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert lines[0].startswith("Edge 1.2.3 ")
    assert rows["function"] == [
        "req/s", "err/s", "p50", "p99", "MCP/s", "ref/s", "cut/s", "in/s", "out/s",
    ]  # fmt: skip
    assert rows["all"][:2] == ["6.0", "1.0"]
    assert rows["shop"] == [
        "3.0", "0", "18", "ms", "25", "ms", "3.0", "0", "0", "0", "B", "0", "B",
    ]  # fmt: skip
    assert rows["worker"] == [
        "pid", "req/s", "cpu", "memory", "flight", "streams", "behind", "files",
    ]  # fmt: skip
    assert rows["0"] == ["7", "6.0", "50%", "4.1", "KB", "2", "1", "0", "9"]
    assert rows["1"] == ["8", "0", "0%", "4.1", "KB", "2", "1", "0", "9"]
    said = [line for line in lines if "GET /shop/" in line]
    assert "GET /shop/19 " in said[0]
    assert len(said) == 20


def test_functions_are_sorted_by_what_the_key_says() -> None:
    def order(number: int) -> list[str]:
        lines = drawn(taken(), 120, 40, number)
        return [line.split()[0][:6] for line in lines[4:7]]

    by = {name: number for number, (name, _) in enumerate(WORTH)}
    assert order(by["rate"]) == ["shop", "ventas", "a-func"]
    assert order(by["errors"])[0] == "a-func"
    assert order(by["name"]) == ["a-func", "shop", "ventas"]
    assert order(len(WORTH)) == order(0)


def test_trouble_is_shown() -> None:
    lines = drawn(taken(circuits=("http://127.0.0.1:9",), behind=3), 120, 30)
    assert "⚠ http://127.0.0.1:9 is left alone for a while: it has been failing" in lines
    assert "⚠ Worker 0 is 3 generations behind" in lines
    assert "⚠ It is gone" in drawn(taken(), 120, 30, problem="It is gone")


def test_a_path_says_nothing_to_the_terminal() -> None:
    (first, *others) = pages(1)
    line = {**LINE, "path": "/\x1b]0;mine\x07\x9b2J[bold]"}
    shown = sample(
        observed(pages(0), NOW), observed([replace(first, recent=(line,)), *others], NOW + 1)
    )
    text = "\n".join(drawn(shown, 120, 30))
    assert "GET /�]0;mine��2J[bold]" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


# The command.


@pytest.fixture
def edge(cli: Cli, tmp_path: Path) -> Iterator[str]:
    """An edge that counts; the address of its management, with a token that may read there."""
    told = iter(range(1, 1000))
    with (
        counting(tmp_path / "data", lambda: pages(next(told))) as operations,
        on_unix(AdminApi(operations), tmp_path / "data" / "admin.sock"),
        on_tcp(AdminApi(operations, operations.authenticate)) as url,
    ):
        made = operations.create_access("reader", scopes=("read",))
        cli.environ["JELOU_TOKEN"] = made.token
        yield url


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of a moment: what they hold does not depend on how long they took."""
    monkeypatch.setattr(top_command, "EVERY", 0.01)


def test_without_a_terminal_it_tells_one_sample_and_ends(cli: Cli, edge: str) -> None:
    outcome = cli("top")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].split()[:4] == ["▸", "function", "req/s", "err/s"]
    assert [line.split()[1] for line in lines[1:5]] == ["all", "shop", "ventas", NAMES[-1]]
    assert "GET /shop/19 " in lines[8]


def test_programs_are_told_rates_and_counts(cli: Cli, edge: str) -> None:
    data = cli("top", "--json").data
    assert set(data) == {"at", "seconds", "total", "functions", "workers", "observed"}
    assert [each["function"] for each in data["functions"]] == sorted(NAMES)
    assert data["total"]["function"] is None
    assert data["observed"]["requests"][1] == {
        "function": "shop", "status": 200, "code": "", "lane": "fast", "whole": True, "count": 6,
    }  # fmt: skip
    section = page("cli.md").partition("`jelou top` gives")[2].partition("\n\n")[0]
    keys = {key for value in data.values() for key in _keys(value)} | set(data)
    assert keys - set(codes(section)) <= {"time", "event", "method", "path", "ms"}


def _keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return {key for each in value for key in _keys(each)}
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in _keys(each)}
    return set()


def test_an_edge_elsewhere_is_shown_to_who_may_read_there(cli: Cli, edge: str) -> None:
    cli.environ["JELOU_EDGE"] = edge
    assert cli("top", "--json", "--edge", edge).data["total"]["requests"] > 0
    assert cli("tokens", "list", "--json").code == 0
    made = cli("access", "create", "--name", "deployer", "--scope", "deploy", "--json",
               "--data-dir", cli.environ["JELOU_DATA_DIR"])  # fmt: skip
    cli.environ["JELOU_TOKEN"] = made.data["token"]
    assert cli("top", "--json", "--edge", edge).error["code"] == "FORBIDDEN"


def test_a_terminal_shows_it_until_a_key_ends_it(cli: Cli, edge: str) -> None:
    shown = cli.terminal("top", answer="sq")
    assert "\x1b[?1049h" in shown  # a screen of its own
    assert "\x1b[?1049l" in shown  # and back
    assert "q quits   s sorts (now by rate)" in shown
    assert "q quits   s sorts (now by errors)" in shown
    assert not re.search(r"\x1b\[[\d;]*3\dm", shown)  # NO_COLOR


@pytest.mark.parametrize("store", [True, False])
def test_without_an_edge_it_says_what_to_type(cli: Cli, project: Path, store: bool) -> None:
    if store:
        assert cli("deploy").code == 0
    outcome = cli("top")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "✗ No edge is running; start it with: jelou serve\n"
    assert cli("top", "--json").error["code"] == "TRANSIENT_ERROR"
    assert not store or json.loads(cli("status", "--json").out)["ok"]
