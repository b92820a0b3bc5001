"""Runs that are sent: what a function sees, and what is kept of them."""

import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.functions import Upstream
from edge.sdk.cron import CronRefused, SeenRuns, verify_cron
from tests.support import origin
from tests.support.cron_rig import SLUG, URL, Clock, Receiver, process, unix

NINE = "0 9 * * *"
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"
AT_NINE = "2026-01-05 09:00:00"


async def test_a_run_is_a_post_to_the_root_that_says_which_schedule_it_is_for(
    tmp_path: Path,
) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        live = edge.deploy(
            at.upstream, {"expression": NINE, "name": "recordatorio-mañana", "botId": "b-1"}
        )
        await clock.set(AT_NINE)
        (run,) = await edge.ended(1)
        (seen,) = function.seen
    assert (seen.method, seen.target, seen.body) == (b"POST", b"/", b"")
    said = dict(seen.headers)
    assert {name: value for name, value in said.items() if name.startswith(b"x-jelou-")} == {
        b"x-jelou-function": SLUG.encode(),
        b"x-jelou-deployment": live.id.encode(),
        b"x-jelou-trigger": b"cron",
        b"x-jelou-cron": NINE.encode(),
        b"x-jelou-cron-name": "recordatorio-mañana".encode(),
        b"x-jelou-bot-id": b"b-1",
        b"x-jelou-cron-run": run.id.encode(),
        b"x-jelou-cron-signature": said[b"x-jelou-cron-signature"],
    }
    assert said[b"content-length"] == b"0"
    assert said[b"x-forwarded-host"] == URL.removeprefix("https://").encode()
    assert (run.state, run.status, run.code, run.manual) == ("ok", 200, None, False)
    assert run.tick == unix(AT_NINE)
    assert run.duration is not None
    assert run.duration >= 0


async def test_a_schedule_without_name_and_bot_says_neither(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, NINE)
        await clock.set(AT_NINE)
        await edge.ended(1)
    (seen,) = function.seen
    assert not {b"x-jelou-cron-name", b"x-jelou-bot-id"} & {name for name, _ in seen.headers}


@pytest.mark.parametrize(
    ("name", "bot"), [(None, None), ("daily", None), ("recordatorio-mañana 🌅", "bö-1")]
)
@pytest.mark.parametrize("base", ["", "/api/v1"])
async def test_the_signature_is_the_one_that_the_contract_describes(
    tmp_path: Path, name: str | None, bot: str | None, base: str
) -> None:
    clock, function = Clock(), Receiver()
    schedule = {"expression": "0  9 * * MON", "name": name, "botId": bot}
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        upstream = Upstream("http", at.upstream.host, at.upstream.port, base=base)
        edge.deploy(upstream, {key: value for key, value in schedule.items() if value})
        await clock.set(AT_NINE)
        (run,) = await edge.ended(1)
        (secret,) = edge.secrets.of(SLUG, clock())
    (seen,) = function.seen
    assert seen.target == f"{base}/".encode()
    lines = [
        b"v1",
        str(int(unix(AT_NINE))).encode(),
        b"POST",
        f"{base}/".encode(),
        b"0  9 * * MON",
        (name or "").encode(),
        (bot or "").encode(),
        run.id.encode(),
        hashlib.sha256(b"").hexdigest().encode(),
    ]
    mac = hmac.new(secret.encode(), b"\n".join(lines), hashlib.sha256).hexdigest()
    assert seen.values(b"x-jelou-cron-signature") == [f"t={int(unix(AT_NINE))},v1={mac}".encode()]


async def test_two_secrets_sign_while_one_is_rotated_out_and_then_one(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, "* * * * *")
        (old,) = edge.secrets.of(SLUG, clock())
        new = edge.secrets.rotate(SLUG, 90.0, clock())
        for number in range(3):
            await clock.set(f"2026-01-05 09:0{number}:00")
            await edge.ended(number + 1)

    def verdict(number: int, secret: str) -> str:
        seen, minute = function.seen[number], unix(AT_NINE) + 60 * number
        try:
            verify_cron(
                [*seen.headers],
                method="POST",
                target=seen.target,
                body=seen.body,
                secrets=secret,
                now=minute,
                seen=SeenRuns(),
            )
        except CronRefused as refused:
            return refused.reason
        return "good"

    signatures = [seen.values(b"x-jelou-cron-signature")[0] for seen in function.seen]
    assert [value.count(b"v1=") for value in signatures] == [2, 1, 1]
    assert [(verdict(n, new), verdict(n, old)) for n in range(3)] == [
        ("good", "good"),
        ("good", "signature"),
        ("good", "signature"),
    ]


async def test_a_tool_has_its_own_address_and_timeout(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "paths": {
            "/send-report": {"post": {"operationId": "sendReport", "responses": {}}},
            "/users/{id}": {"get": {"operationId": "user", "responses": {}}},
        },
    }
    tools = {
        "sendReport": {"config": {"cron": [{"expression": NINE, "name": "report"}]}},
        "user": {"config": {"cron": [{"expression": NINE, "name": "nobody"}]}},
    }
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, tools=tools, document=document)
        await clock.set(AT_NINE)
        runs = {run.name: run for run in await edge.ended(2)}
    assert [(seen.method, seen.target) for seen in function.seen] == [(b"POST", b"/send-report")]
    assert (runs["report"].state, runs["report"].tool) == ("ok", "sendReport")
    # Whose address has parameters cannot be fired, and says so.
    assert (runs["nobody"].state, runs["nobody"].code) == ("error", "no_route")


@pytest.mark.parametrize(
    ("status", "state"), [(200, "ok"), (204, "ok"), (302, "ok"), (404, "error"), (500, "error")]
)
async def test_a_run_keeps_the_status_of_its_answer(
    tmp_path: Path, status: int, state: str
) -> None:
    clock, function = Clock(), Receiver(status=status)
    if status == 204:
        behave = origin.answering(b"HTTP/1.1 204 No Content\r\n\r\n")
    else:
        behave = function.behave
    async with origin.serving(behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, NINE)
        await clock.set(AT_NINE)
        (run,) = await edge.ended(1)
    assert (run.state, run.status, run.code) == (state, status, None)


async def test_a_function_that_cannot_be_reached_is_an_error_and_is_not_asked_again(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with process(tmp_path, clock) as edge:
        edge.deploy(origin.refusing(), NINE)
        await clock.set(AT_NINE)
        (run,) = await edge.ended(1)
        await clock.set("2026-01-05 09:00:20")
        assert edge.ticks() == ["01-05 09:00"]
    assert (run.state, run.status, run.code) == ("error", 502, "upstream_unreachable")


async def test_a_run_of_a_function_that_is_left_alone_is_written_down_so(tmp_path: Path) -> None:
    clock = Clock()
    async with process(tmp_path, clock) as edge:
        edge.deploy(origin.refusing(), "* * * * *")
        for minute in range(6):
            await clock.set(f"2026-01-05 09:{minute:02}:00")
            runs = await edge.ended(minute + 1)
    told = sorted((run.tick, run.state, run.status, run.code) for run in runs)
    codes = [("error", 502, "upstream_unreachable")] * 5 + [("error", 503, "circuit_open")]
    assert [found[1:] for found in told] == codes


@pytest.mark.parametrize(
    ("behave", "status", "code"),
    [
        (origin.resetting_after(b""), 502, "upstream_unreachable"),
        (origin.resetting_after(CUT), 200, "upstream_invalid"),
        (origin.hangs, 504, "upstream_timeout"),
    ],
)
async def test_a_run_is_sent_once_whatever_becomes_of_it(
    tmp_path: Path, behave: origin.Behaviour, status: int, code: str
) -> None:
    clock = Clock()
    async with origin.serving(behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, NINE, config={"timeout": 200})
        await clock.set(AT_NINE)
        (run,) = await edge.ended(1)
        assert len(at.seen) <= 1
        assert at.visits == 1
    assert (run.state, run.status, run.code) == ("error", status, code)


async def test_what_was_sent_when_does_not_depend_on_the_clock_of_the_receiver(
    tmp_path: Path,
) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, NINE)
        await clock.set("2026-01-05 09:00:40")  # the loop had no time before
        (run,) = await edge.ended(1)
    (seen,) = function.seen
    sent = int(seen.values(b"x-jelou-cron-signature")[0].split(b",")[0].removeprefix(b"t="))
    assert datetime.fromtimestamp(sent, UTC).second == 40
    assert run.tick == unix(AT_NINE)
