"""Log, metrics and `jelou top` say of traffic of every kind what its callers got, to the request.

No worker is killed: of one that is, what it has counted and not yet written down is gone, half a
second at most (`tests/whole/test_metrics.py`), and so is what its log had not written.
"""

import asyncio
import http.client
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.admin.sampling import sample
from tests.load.watching import DOWN, SHOP, Traffic, Watched
from tests.support.documents_origin import free_port
from tests.support.edge import jelou
from tests.support.whole_edge import serving
from tests.support.whole_function import document, function
from tests.support.whole_processes import eventually


def logged(path: Path) -> Watched:
    """What the access log says."""
    told = Watched()
    for text in path.read_text().splitlines():
        line: dict[str, Any] = json.loads(text)
        assert line["event"] == "request"
        name, lane = line["function"], line["lane"]
        told.requests[name, line["status"], line.get("code", ""), lane, line["whole"]] += 1
        told.received[name] += line["received"]
        told.sent[name] += line["sent"]
        if "tool" in line:
            told.calls[name, line["tool"], "error" if line["isError"] else "ok"] += 1
    return told


def scraped(admin: int) -> Watched:
    """What `/metrics` says."""
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    told = Watched()
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            of, count = each.labels, int(each.value)
            match each.name:
                case "jelou_requests_total":
                    key = (int(of["status"]), of["code"], of["lane"], of["whole"] == "true")
                    told.requests[of["function"], *key] += count
                case "jelou_mcp_tool_calls_total":
                    told.calls[of["function"], of["tool"], of["result"]] += count
                case "jelou_body_bytes_total":
                    sums = told.received if of["direction"] == "in" else told.sent
                    sums[of["function"]] += count
    return told


def topped(data_dir: Path) -> Watched:
    """What `jelou top --json` says."""
    observed = jelou(data_dir, "top")["observed"]
    told = Watched()
    for each in observed["requests"]:
        key = (each["status"], each["code"], each["lane"], each["whole"])
        told.requests[each["function"], *key] += each["count"]
    for each in observed["calls"]:
        told.calls[each["function"], each["tool"], each["result"]] += each["count"]
    for each in observed["traffic"]:
        told.received[each["function"]] += each["received"]
        told.sent[each["function"]] += each["sent"]
    return told


async def watched_three_ways(directory: Path, callers: int, rounds: int, leavers: int) -> Watched:
    """Traffic, and what each way says of it, which has to be what its callers got."""
    admin, log, data_dir = free_port(), directory / "access.log", directory / "data"
    flags = ("--admin", f"127.0.0.1:{admin}", "--access-log", str(log))
    with function() as origin, serving(data_dir, *flags, workers=2) as edge:
        origin.openapi = document("hello", "fail")
        deployed = {
            SHOP: edge.deploy(SHOP, origin.url, methods=["GET", "POST"]).token,
            DOWN: edge.deploy(DOWN, f"http://127.0.0.1:{free_port()}", mcp=False).token,
        }
        tokens = {slug: token for slug, token in deployed.items() if token is not None}
        traffic, before = Traffic(edge, origin, tokens), edge.operations.observed()
        await traffic.run(callers, rounds, leavers)
        got = traffic.got
        total = got.requests.total()

        def is_told() -> bool:
            return len(log.read_bytes().splitlines()) >= total <= scraped(admin).requests.total()

        await asyncio.to_thread(eventually, is_told, f"{total} requests are told")
        after = edge.operations.observed()
        taken = sample(before, after)
        for told in (logged(log), scraped(admin), await asyncio.to_thread(topped, data_dir)):
            assert told.requests == got.requests
            assert told.calls == got.calls
            assert Counter(told.received) == got.received
            assert Counter(told.sent) == got.sent
    assert taken.total.requests * taken.seconds == pytest.approx(total)
    assert sum(worker.requests for worker in after.workers) == total
    assert [len(each.recent) for each in (after,)] == [min(total, 50)]
    return got


async def test_all_ways_tell_what_callers_got(tmp_path: Path) -> None:
    got = await watched_three_ways(tmp_path, callers=1, rounds=2, leavers=1)
    assert got.requests.total() == 48
    assert {(status, lane) for _, status, _, lane, _ in got.requests} == {
        (status, lane) for status in (0, 200, 401, 404, 405, 500, 502) for lane in ("fast", "asgi")
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_ways_tell_what_thousands_got(tmp_path: Path) -> None:
    got = await watched_three_ways(tmp_path, callers=8, rounds=25, leavers=25)
    assert got.requests.total() == 4500
    assert got.calls.total() == 800
    assert got.requests[DOWN, 503, "circuit_open", "fast", True] > 0
