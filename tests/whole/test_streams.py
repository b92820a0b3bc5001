"""Events reach the client as they are sent; a client that dies takes its request with it."""

import subprocess
import sys

from tests.support.whole_edge import Edge
from tests.support.whole_function import Function

SLUG = "shop"
CLIENT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
    while data := connection.recv(65536):
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
"""


def client(edge: Edge, request: str) -> "subprocess.Popen[bytes]":
    """A client in a process of its own, which sends a request and prints what comes back."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(edge.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(request.encode())
    process.stdin.close()
    return process


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL a client."""
    process.kill()
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def test_an_event_reaches_the_client_before_the_function_sends_the_next(
    shared_edge: Edge, origin: Function
) -> None:
    token = shared_edge.deploy(SLUG, origin.url).token
    caller = shared_edge.caller()
    events = caller.send(f"/{SLUG}/events", token).connection.getresponse()
    assert events.getheader("content-type") == "text/event-stream"
    for number in range(5):
        origin.next_event.release()
        assert [events.readline(), events.readline()] == [b"data: %d\n" % number, b"\n"]
    events.close()
    caller.close()
    origin.wait_until_left()


def test_killing_the_client_aborts_the_functions_request(
    shared_edge: Edge, origin: Function
) -> None:
    token = shared_edge.deploy(SLUG, origin.url).token
    head = f" HTTP/1.1\r\nHost: edge\r\nX-Jelou-Token: {token}\r\n"

    waiting = client(shared_edge, f"GET /{SLUG}/hold{head}\r\n")
    origin.wait_for_held(1)
    kill(waiting)
    origin.wait_until_left()

    streaming = client(shared_edge, f"GET /{SLUG}/events{head}\r\n")
    origin.next_event.release()
    assert streaming.stdout is not None
    while streaming.stdout.readline() != b"data: 0\n":
        assert streaming.poll() is None
    kill(streaming)
    origin.wait_until_left()

    call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hold","arguments":{}}}'
    fields = (
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        f"Content-Length: {len(call)}\r\n"
    )
    calling = client(shared_edge, f"POST /{SLUG}/mcp{head}{fields}\r\n{call}")
    origin.wait_for_held(1)
    kill(calling)
    origin.wait_until_left()
