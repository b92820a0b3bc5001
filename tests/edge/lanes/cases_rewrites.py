"""Addresses of the upstream in answers, and what they become for the caller. Data only."""

from tests.edge.lanes.cases_answers import plain
from tests.edge.lanes.cases_requests import ask
from tests.support.lanes import UPSTREAM
from tests.support.lanes_case import Act, Case, token
from tests.support.lanes_expected import received, relayed

_OWN = UPSTREAM.decode()


def _rewritten(name: str, field: str, said: str, seen: str, *, path: bool = True) -> Case:
    target, host, prefix = (
        ("/shop/x", "localhost", "/shop") if path else ("/x", "shop.fn.localhost", "")
    )
    return Case(
        name=f"rewrite: {field} {name}{'' if path else ', host form'}",
        sent=ask(target, host=host),
        acts=(Act((plain(f"302 Found\r\n{field}: {said}\r\ncontent-length: 0".encode()),)),),
        answers=(relayed(b"", 302, ((field, seen),)),),
        received=(received(target="/x", authority=host, prefix=prefix),),
    )


_REWRITES = [
    *(
        _rewritten(name, field, said, seen)
        for field in ("location", "content-location")
        for name, said, seen in (
            ("absolute", f"http://{_OWN}/a?b#c", "http://localhost/shop/a?b#c"),
            ("authority alone", f"http://{_OWN}", "http://localhost/shop/"),
            ("https of ours", f"https://{_OWN}/a", "http://localhost/shop/a"),
            ("without a scheme", f"//{_OWN}/a", "http://localhost/shop/a"),
            ("absolute path", "/a", "/shop/a"),
            ("root", "/", "/shop/"),
            ("relative", "a/b", "a/b"),
            ("elsewhere", "https://elsewhere.example/a", "https://elsewhere.example/a"),
            ("another port", "http://127.0.0.1:1/a", "http://127.0.0.1:1/a"),
            ("empty", "", ""),
        )
    ),
    _rewritten(
        "absolute", "location", f"http://{_OWN}/a", "http://shop.fn.localhost/a", path=False
    ),
    _rewritten("absolute path", "location", "/a", "/a", path=False),
    _rewritten("path", "set-cookie", "a=1; Path=/", "a=1; Path=/shop/"),
    _rewritten("path below", "set-cookie", "a=1; Path=/x; Secure", "a=1; Path=/shop/x; Secure"),
    _rewritten(
        "domain", "set-cookie", "a=1; Domain=127.0.0.1; HttpOnly", "a=1; Domain=localhost; HttpOnly"
    ),
    _rewritten("another domain", "set-cookie", "a=1; Domain=x.example", "a=1; Domain=x.example"),
    _rewritten("__Host-", "set-cookie", "__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure"),
    _rewritten("path", "set-cookie", "a=1; Path=/", "a=1; Path=/", path=False),
    Case(
        name="rewrite turned off",
        sent=ask("/raw/x", host="localhost", tokens=(("x-jelou-token", token(slug="raw")),)),
        acts=(
            Act((plain(f"302 Found\r\nlocation: http://{_OWN}/a\r\ncontent-length: 0".encode()),)),
        ),
        answers=(relayed(b"", 302, (("location", "http://<upstream>/a"),)),),
        received=(received(target="/x", slug="raw", authority="localhost", prefix="/raw"),),
    ),
    Case(
        name="rewrite of a base path",
        sent=ask("/x", host="based.fn.localhost", tokens=(("x-jelou-token", token(slug="based")),)),
        acts=(Act((plain(b"302 Found\r\nlocation: /base/a\r\ncontent-length: 0"),)),),
        answers=(relayed(b"", 302, (("location", "/a"),)),),
        received=(received(target="/base/x", slug="based", authority="based.fn.localhost"),),
    ),
]

CASES: list[Case] = _REWRITES
