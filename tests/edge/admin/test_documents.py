"""Fetching an OpenAPI document: bounded, within its upstream, and honest about what is wrong."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.admin import documents
from edge.admin.documents import NoDocument, check, fetch, fetch_url
from edge.functions import Project
from edge.project_file.parse import parse_project
from mcp_bridge.document import MAX_DOCUMENT
from tests.support.documents_origin import BOOKS, free_port, origin


def project(upstream: Any, **more: Any) -> Project:
    parsed = parse_project(json.dumps({"function": "books", "upstream": upstream, **more}))
    assert parsed.project is not None, parsed.problems
    return parsed.project


def refused(made: Project) -> NoDocument:
    with pytest.raises(NoDocument) as raised:
        fetch(made)
    return raised.value


def test_the_document_is_fetched_from_the_upstream_with_its_base_and_headers() -> None:
    with origin() as served:
        served.serve("/api/openapi.json", BOOKS)
        upstream = {"url": f"{served.url}/api", "headers": {"X-Key": "k"}}
        assert b"listBooks" in (fetch(project(upstream)) or b"")
        path, headers = served.requests[0]
        assert (path, headers["X-Key"]) == ("/api/openapi.json", "k")
        assert headers["Host"] == served.url.removeprefix("http://")


def test_a_unix_socket_is_an_upstream_like_any_other(tmp_path: Path) -> None:
    with origin(tmp_path / "f.sock") as served:
        served.serve("/openapi.json", BOOKS)
        assert fetch(project(served.url))


def test_a_project_without_a_document_fetches_nothing() -> None:
    assert fetch(project("http://127.0.0.1:9", openapi=False)) is None


def test_another_upstream_is_asked_where_the_first_is_down() -> None:
    with origin() as served:
        served.serve("/openapi.json", BOOKS)
        assert fetch(project([f"http://127.0.0.1:{free_port()}", served.url]))


def test_a_redirect_within_the_upstream_is_followed_and_no_other() -> None:
    with origin() as served, origin() as elsewhere:
        elsewhere.serve("/openapi.json", BOOKS)
        served.serve("/openapi.json", b"", 307, Location="/v1/openapi.json")
        served.serve("/v1/openapi.json", BOOKS)
        assert fetch(project(served.url))
        served.serve("/openapi.json", b"", 302, Location=f"{elsewhere.url}/openapi.json")
        error = refused(project(served.url))
        assert error.outcome == "unreachable"
        assert "redirects to another address" in str(error)
        assert elsewhere.requests == []


def test_a_redirect_that_goes_round_is_given_up() -> None:
    with origin() as served:
        served.serve("/openapi.json", b"", 302, Location="/openapi.json")
        assert "redirects more than 3 times" in str(refused(project(served.url)))
        assert len(served.requests) == 4


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"openapi": "3.1.0",\n  "paths": {,}}', "line 2, column 13"),
        (b"openapi: 3.1.0\npaths: {}\n", "YAML is not read"),
        (b'{"swagger": "2.0"}', "Swagger 2.0"),
        (b"[]", "not a JSON object"),
        (b"{}", 'no "openapi" version'),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
def test_a_broken_document_is_told_with_its_place(body: bytes, told: str) -> None:
    with origin() as served:
        served.serve("/openapi.json", body)
        error = refused(project(served.url))
        assert error.outcome == "broken"
        assert told in str(error)


def test_a_document_over_the_limit_is_not_read_to_its_end() -> None:
    with origin() as served:
        served.serve("/openapi.json", b" " * (MAX_DOCUMENT + 1024 * 1024))
        error = refused(project(served.url))
        assert error.outcome == "broken"
        assert "over 16 MiB" in str(error)


@pytest.mark.parametrize(
    ("status", "outcome"), [(404, "absent"), (410, "absent"), (500, "unreachable")]
)
def test_a_status_says_whether_there_is_none_or_something_is_wrong(
    status: int, outcome: str
) -> None:
    with origin() as served:
        served.serve("/openapi.json", {}, status)
        assert refused(project(served.url)).outcome == outcome


def test_a_function_that_is_down_is_unreachable() -> None:
    error = refused(project(f"http://127.0.0.1:{free_port()}"))
    assert error.outcome == "unreachable"
    assert "Connection refused" in str(error)


@contextmanager
def drip(first: bytes) -> Iterator[int]:
    """An origin that sends one byte every 50 ms and never comes to an end."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(first)
            while not ended.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        ended.set()
        thread.join(5)
        listener.close()


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_dripping_origin_is_cut_at_the_deadline(
    first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "TIMEOUT", 0.4)
    with drip(first) as port:
        started = time.monotonic()
        error = refused(project(f"http://127.0.0.1:{port}"))
        assert time.monotonic() - started < 5
        assert error.outcome in ("unreachable", "broken")


def test_a_url_is_fetched_as_it_stands() -> None:
    with origin() as served:
        served.serve("/docs/api.json?v=2", BOOKS)
        assert fetch_url(f"{served.url}/docs/api.json?v=2")


def test_a_file_is_held_to_the_same_check() -> None:
    with pytest.raises(NoDocument, match=r"openapi\.json, line 1, column 1"):
        check(b"x", "openapi.json")
