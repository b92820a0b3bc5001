"""An edge that dies amid its answer is one that cannot be reached, not one that has answered."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.admin.client import HttpTransport, RemoteOperations
from edge.admin.errors import AdminError

BODY = b'{"ok":true,"data":[]}'
WITH_LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
IN_CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
    len(BODY),
    BODY,
)
CUT = [
    whole[:end]
    for whole in (WITH_LENGTH, IN_CHUNKS)
    for end in (10, whole.index(b"\r\n\r\n") + 4, whole.index(BODY) + 5)
]
"""Amid the head, after it, amid the body."""


@contextmanager
def answering(data: bytes) -> Iterator[RemoteOperations]:
    """The client of an edge that sends this and is gone."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(65536)
                client.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield RemoteOperations(HttpTransport(url, "jfn_pat_x"))
        thread.join(10)


@pytest.mark.parametrize("whole", [WITH_LENGTH, IN_CHUNKS], ids=["length", "chunks"])
def test_a_whole_answer_is_taken(whole: bytes) -> None:
    with answering(whole) as operations:
        assert operations.functions() == ()


@pytest.mark.parametrize("cut", CUT)
def test_one_that_is_cut_is_none(cut: bytes) -> None:
    with answering(cut) as operations, pytest.raises(AdminError) as raised:
        operations.functions()
    assert raised.value.code == "NETWORK_ERROR"


@pytest.mark.parametrize("cut", CUT)
def test_a_download_that_is_cut_is_none(cut: bytes, tmp_path: Path) -> None:
    with answering(cut) as operations, pytest.raises(AdminError) as raised:
        operations.download_code("shop", "dep_1", tmp_path / "code.tar")
    assert raised.value.code == "NETWORK_ERROR"
