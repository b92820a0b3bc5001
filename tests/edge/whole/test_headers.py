"""The header work, end to end: what a function is told, what it is not, and what comes back."""

import re
from pathlib import Path

import anyio
import pytest

from tests.support.calling import TOKEN, Caller
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.origin import OK, Origin, Seen, Visit, answering, echoes, self_signed, serving

RESERVED = [
    "Token",
    "Token-Id",
    "Token-Name",
    "Token-Anything",
    "Function",
    "Deployment",
    "Trigger",
    "Cron",
    "Cron-Signature",
    "Cron-Run",
    "Bot-Id",
    "Mcp",
    "Error-Source",
]
SPELLINGS = [
    lambda name: f"X-Jelou-{name}",
    lambda name: f"x_jelou_{name}".lower().replace("-", "_"),
    lambda name: f"X-JELOU_{name}".upper(),
    lambda name: f"x.jelou!{name}".lower().replace("-", "~"),
    lambda name: f"x-jelou-{name}".replace("-", "_", 1),
]
FORGED = "forged-by-a-client"


def environ(seen: Seen) -> dict[str, list[str]]:
    """The fields as CGI and WSGI give them to a program (RFC 3875 §4.1.18)."""
    found: dict[str, list[str]] = {}
    for name, value in seen.headers:
        key = "HTTP_" + re.sub(rb"[^A-Z0-9]", b"_", name.upper()).decode()
        found.setdefault(key, []).append(value.decode("latin-1"))
    return found


@pytest.mark.parametrize("spell", SPELLINGS)
async def test_no_reserved_name_of_a_client_reaches_a_function_in_any_spelling(
    edge: EdgeInProcess, origin: Origin, caller: Caller, spell: object
) -> None:
    edge.deploy(origin.upstream)
    names = [spell(name) for name in RESERVED]  # type: ignore[operator]
    forged = [(name, FORGED) for name in names if name.lower() != TOKEN]
    if caller.version == "2":
        forged = [(name.lower(), value) for name, value in forged]
    assert (await caller.ask(fields=forged)).status == 200
    seen = environ(origin.seen[0])
    assert FORGED not in origin.seen[0].raw.decode("latin-1")
    assert seen["HTTP_X_JELOU_FUNCTION"] == ["shop"]
    assert seen["HTTP_X_JELOU_TRIGGER"] == ["http"]
    assert len(seen["HTTP_X_JELOU_TOKEN_ID"]) == 1
    assert "HTTP_X_JELOU_TOKEN" not in seen


async def test_what_a_function_is_told(edge: EdgeInProcess, origin: Origin, caller: Caller) -> None:
    deployment = edge.deploy(origin.upstream)
    [token] = edge.token_service.list("shop")
    await caller.ask("/x", host="SHOP.fn.localhost:8080")
    told = {
        "HTTP_HOST": f"127.0.0.1:{origin.upstream.port}",
        "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        "HTTP_X_FORWARDED_PROTO": "http",
        "HTTP_X_FORWARDED_HOST": "SHOP.fn.localhost:8080",
        "HTTP_X_REAL_IP": "127.0.0.1",
        "HTTP_X_JELOU_FUNCTION": "shop",
        "HTTP_X_JELOU_DEPLOYMENT": deployment.id,
        "HTTP_X_JELOU_TRIGGER": "http",
        "HTTP_X_JELOU_TOKEN_ID": token.id,
        "HTTP_X_JELOU_TOKEN_NAME": "default",
    }
    seen = environ(origin.seen[0])
    assert {key: seen.get(key) for key in told} == {key: [value] for key, value in told.items()}
    assert re.fullmatch(r"1\.1 jelou-edge-[0-9a-f]+", seen["HTTP_VIA"][0])
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", seen["HTTP_TRACEPARENT"][0])
    assert "HTTP_X_FORWARDED_PREFIX" not in seen
    assert "HTTP_TRACESTATE" not in seen


async def test_other_jelou_fields_and_traces_pass(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = [
        ("x-jelou-signature", "t=1,v1=00"),
        ("traceparent", trace),
        ("tracestate", "a=1"),
        ("via", "1.1 another"),
    ]
    await caller.ask(fields=sent)
    seen = origin.seen[0]
    assert seen.values(b"x-jelou-signature") == [b"t=1,v1=00"]
    assert seen.values(b"traceparent") == [trace.encode()]
    assert seen.values(b"tracestate") == [b"a=1"]
    assert b", ".join(seen.values(b"via")).startswith(b"1.1 another, 1.1 jelou-edge-")


async def test_no_runtime_token_reaches_a_function_wherever_it_stands(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    edge.mint("second")
    token = edge.token
    sent = [
        ("authorization", f"Bearer {token}"),
        ("x-api-key", token),
        ("cookie", f"session={token}; other=1"),
        ("referer", f"http://page.example/?t={token}"),
        ("x-kept", "jfn_rt_short"),
    ]
    assert (await caller.ask(fields=sent)).status == 200
    assert token.encode() not in origin.seen[0].raw
    assert origin.seen[0].values(b"x-kept") == [b"jfn_rt_short"]


@pytest.mark.parametrize("name", ["x-request-id", "traceparent", "tracestate", "origin"])
async def test_a_token_in_a_field_that_the_edge_itself_reads_goes_nowhere(
    edge: EdgeInProcess, origin: Origin, caller: Caller, name: str
) -> None:
    edge.deploy(origin.upstream)
    for token in (edge.token, None):
        answer = await caller.ask(fields=[(name, edge.token)], token=token)
        assert edge.token not in repr(answer.headers)
        assert edge.token.encode() not in answer.body
    assert edge.token.encode() not in origin.seen[0].raw


CLAIMS = [
    ("x-forwarded-for", "203.0.113.7, 198.51.100.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("x-forwarded-port", "443"),
    ("x_forwarded_for", "6.6.6.6"),
    ("x-real-ip", "6.6.6.6"),
    ("forwarded", "for=6.6.6.6"),
]


async def test_what_a_stranger_says_of_itself_is_not_believed(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream)
    await caller.ask(fields=CLAIMS)
    seen = environ(origin.seen[0])
    assert seen["HTTP_X_FORWARDED_FOR"] == ["127.0.0.1"]
    assert seen["HTTP_X_FORWARDED_PROTO"] == ["http"]
    assert seen["HTTP_X_FORWARDED_HOST"] == ["shop.fn.localhost"]
    assert seen["HTTP_X_REAL_IP"] == ["127.0.0.1"]
    assert "HTTP_FORWARDED" not in seen
    assert "HTTP_X_FORWARDED_PORT" not in seen


async def test_a_trusted_proxy_is_believed(tmp_path: Path) -> None:
    trusted = ("127.0.0.0/8", "198.51.100.0/24")
    async with serving(echoes) as origin, running(tmp_path, trusted_proxies=trusted) as edge:
        edge.deploy(origin.upstream)
        for version in ("1.1", "2"):
            await Caller(edge, version).ask(fields=CLAIMS)
            seen = environ(origin.seen[-1])
            assert seen["HTTP_X_FORWARDED_FOR"] == ["203.0.113.7, 198.51.100.1, 127.0.0.1"]
            assert seen["HTTP_X_REAL_IP"] == ["203.0.113.7"]
            assert seen["HTTP_X_FORWARDED_PROTO"] == ["https"]
            assert seen["HTTP_X_FORWARDED_HOST"] == ["shop.example"]
            assert "HTTP_FORWARDED" not in seen


async def test_a_function_that_calls_the_edge_back_through_itself_is_508(
    edge: EdgeInProcess, caller: Caller
) -> None:
    async def calls_back(visit: Visit) -> None:
        seen = await visit.request()
        via = seen.values(b"via")[0].decode()
        answer = await Caller(edge, caller.version).ask("/again", fields=[("via", via)])
        assert answer.one("x-jelou-error-source") == "edge"
        body = bytes(answer.body)
        await visit.send(
            b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (answer.status, len(body), body)
        )

    async with serving(calls_back) as origin:
        edge.deploy(origin.upstream)
        answer = await caller.ask()
        assert (answer.status, answer.json["code"]) == (508, "loop_detected")
        assert len(origin.seen) == 1


async def test_the_callers_host_is_kept_if_the_project_says_so(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(origin.upstream, how={"preserveHost": True, "headers": {"X-Own": "1"}})
    await caller.ask(host="shop.fn.localhost:99", fields=[("x-own", "forged")])
    assert origin.seen[0].values(b"host") == [b"shop.fn.localhost:99"]
    assert [v for n, v in origin.seen[0].headers if n.lower() == b"x-own"] == [b"1"]


# Addresses in answers.


def redirecting(origin: Origin, location: str, cookie: str) -> None:
    """Have an origin answer with an address and a cookie; `{}` is its own authority."""
    where = location.replace("{}", origin.upstream.authority).encode()
    origin.behaviour = answering(
        b"HTTP/1.1 302 Found\r\nlocation: %b\r\ncontent-location: %b\r\nset-cookie: %b\r\n"
        b"content-length: 0\r\n\r\n" % (where, where, cookie.encode())
    )


LOCATIONS = [
    # what the function says, in host form, in path form
    ("http://{}/a?b#c", "http://HOST/a?b#c", "http://HOST/shop/a?b#c"),
    ("//{}/a", "http://HOST/a", "http://HOST/shop/a"),
    ("http://{}", "http://HOST/", "http://HOST/shop/"),
    ("/a/b?c", "/a/b?c", "/shop/a/b?c"),
    ("/", "/", "/shop/"),
    ("a/b", "a/b", "a/b"),
    ("../x", "../x", "../x"),
    ("?q", "?q", "?q"),
    ("https://elsewhere.example/a", "https://elsewhere.example/a", "https://elsewhere.example/a"),
    ("http://elsewhere.example/{}", "http://elsewhere.example/{}", "http://elsewhere.example/{}"),
]


@pytest.mark.parametrize(("said", "by_host", "by_path"), LOCATIONS)
async def test_addresses_of_the_upstream_become_the_callers(
    edge: EdgeInProcess, origin: Origin, caller: Caller, said: str, by_host: str, by_path: str
) -> None:
    redirecting(origin, said, "a=1; Path=/x; HttpOnly")
    edge.deploy(origin.upstream)
    own = origin.upstream.authority
    for host, target, expected, cookie in (
        ("shop.fn.localhost:80", "/", by_host, "a=1; Path=/x; HttpOnly"),
        ("localhost:8080", "/shop/", by_path, "a=1; Path=/shop/x; HttpOnly"),
    ):
        answer = await caller.ask(target, host=host)
        wanted = expected.replace("HOST", host).replace("{}", own)
        assert answer.one("location") == wanted
        assert answer.one("content-location") == wanted
        assert answer.one("set-cookie") == cookie


@pytest.mark.parametrize(
    ("said", "by_path"),
    [
        ("a=1", "a=1"),
        ("a=1; path=/", "a=1; path=/shop/"),
        ("a=1; Domain=127.0.0.1; Path=/", "a=1; Domain=localhost; Path=/shop/"),
        ("a=1; Domain=other.example", "a=1; Domain=other.example"),
        ("__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure"),
        ("a=path=/x; Secure", "a=path=/x; Secure"),
    ],
)
async def test_cookies_of_the_upstream_become_the_callers(
    edge: EdgeInProcess, origin: Origin, caller: Caller, said: str, by_path: str
) -> None:
    redirecting(origin, "/", said)
    edge.deploy(origin.upstream)
    answer = await caller.ask("/shop/", host="localhost:8080")
    assert answer.one("set-cookie") == by_path


async def test_rewriting_can_be_turned_off(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    redirecting(origin, "http://{}/a", "a=1; Path=/")
    edge.deploy(origin.upstream, how={"rewrite": False})
    answer = await caller.ask("/shop/", host="localhost:8080")
    assert answer.one("location") == f"http://{origin.upstream.authority}/a"
    assert answer.one("set-cookie") == "a=1; Path=/"


async def test_a_base_path_of_the_upstream_is_put_before_and_taken_away(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    redirecting(origin, "http://{}/base/a", "a=1; Path=/base")
    edge.deploy(origin.upstream, how={"url": f"{origin.url}/base"})
    answer = await caller.ask("/x?y")
    assert origin.seen[0].target == b"/base/x?y"
    assert answer.one("location") == "http://shop.fn.localhost/a"
    assert answer.one("set-cookie") == "a=1; Path=/"


# Other upstreams.


async def test_functions_behind_tls_and_unix_sockets_are_reached(
    edge: EdgeInProcess, caller: Caller, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path)
    async with serving(echoes, certificate=certificate) as origin:
        edge.deploy(origin.upstream, how={"tls": {"caFile": str(certificate.file)}})
        assert (await caller.ask("/", "POST", body=b"tls")).body == b"tls"
        edge.deploy(origin.upstream)
        answer = await caller.ask()
        assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    async with serving(echoes, path=tmp_path / "function.sock") as origin:
        edge.deploy(origin.upstream)
        assert (await caller.ask("/", "POST", body=b"unix")).body == b"unix"


async def test_a_deploy_takes_effect_on_the_next_request_and_disturbs_none(
    edge: EdgeInProcess, origin: Origin
) -> None:
    caller = Caller(edge, "2")
    origin.behaviour = answering(OK)
    statuses: list[int] = []
    with anyio.fail_after(10):
        async with serving(answering(OK.replace(b"ok", b"ko"))) as other:
            edge.deploy(origin.upstream)
            async with anyio.create_task_group() as tasks:

                async def ask() -> None:
                    statuses.append((await caller.ask()).status)

                for number in range(20):
                    tasks.start_soon(ask)
                    upstream = (origin, other)[number % 2].upstream
                    edge.deploy(upstream)
                    assert (await caller.ask()).body == (b"ok", b"ko")[number % 2]
    assert statuses == [200] * 20
