"""A customer directory: an HTTP function written with Python's standard library alone.

Start it with ``python3 app.py``. It listens on ``PORT`` (default 9000, 0 picks a free one) of
127.0.0.1, or on the Unix socket that ``SOCKET`` names. It knows nothing of tokens: the edge in
front of it checks them, and tells it who is calling in ``X-Jelou-*`` headers.
"""

import json
import os
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

DOCUMENT = Path(__file__).with_name("openapi.json").read_bytes()
MAX_BODY = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Customer:
    """One entry of the directory."""

    id: str
    name: str
    phone: str
    city: str


class RequestError(Exception):
    """Something wrong with the request, told to the caller as JSON."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """What an operation gets to see: path parameters, query, and the JSON body if there is one."""

    path: tuple[str, ...]
    query: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with a JSON value, with a stream of events, or with nothing."""

    status: int
    value: Any = None
    events: Iterator[tuple[str, Any]] | None = None


# --- the directory itself ---------------------------------------------------------------------

customers: dict[str, Customer] = {
    "c1": Customer("c1", "Ana Torres", "593987654321", "Guayaquil"),
    "c2": Customer("c2", "Luis Andrade", "593912345678", "Quito"),
    "c3": Customer("c3", "María Vega", "593998877665", "Quito"),
}
numbers = count(len(customers) + 1)


def find_customer(request: Request) -> Answer:
    """Look a customer up by phone."""
    phone = text(request.body, "phone")
    for customer in list(customers.values()):
        if customer.phone == phone:
            return Answer(200, asdict(customer))
    raise RequestError(404, f"no customer has the phone {phone}")


def list_customers(request: Request) -> Answer:
    """List customers, of one city if the query names one."""
    limit = whole_number(request.query, "limit", default=20, least=1, most=100)
    city = request.query.get("city")
    found = [each for each in list(customers.values()) if city in (None, each.city)]
    return Answer(200, {"customers": [asdict(each) for each in found[:limit]], "total": len(found)})


def create_customer(request: Request) -> Answer:
    """Add a customer."""
    name, phone = text(request.body, "name"), text(request.body, "phone")
    if not re.fullmatch(r"[0-9]{7,15}", phone):
        raise RequestError(422, "phone: write 7 to 15 digits, without + or spaces")
    city = text(request.body, "city") if "city" in request.body else "Guayaquil"
    customer = Customer(f"c{next(numbers)}", name, phone, city)
    customers[customer.id] = customer
    return Answer(201, asdict(customer))


def get_customer(request: Request) -> Answer:
    """Return one customer."""
    if customer := customers.get(request.path[0]):
        return Answer(200, asdict(customer))
    raise RequestError(404, f"no customer has the id {request.path[0]}")


def delete_customer(request: Request) -> Answer:
    """Remove one customer."""
    if customers.pop(request.path[0], None):
        return Answer(204)
    raise RequestError(404, f"no customer has the id {request.path[0]}")


def stream_report(request: Request) -> Answer:
    """Count customers city by city; each city is an event, the last event is the result."""
    pause = whole_number(request.query, "pause", default=200, least=0, most=5000) / 1000
    return Answer(200, events=report(pause))


def report(pause: float) -> Iterator[tuple[str, Any]]:
    """Yield (event name, value) pairs, waiting ``pause`` seconds after each city."""
    cities = Counter(each.city for each in list(customers.values()))
    for done, (city, number) in enumerate(sorted(cities.items()), 1):
        yield "progress", {"progress": done, "total": len(cities), "message": f"{city}: {number}"}
        time.sleep(pause)
    yield "result", {"cities": dict(sorted(cities.items())), "total": cities.total()}


ROUTES: list[tuple[str, str, Callable[[Request], Answer]]] = [
    ("POST", "/", find_customer),
    ("GET", "/customers", list_customers),
    ("POST", "/customers", create_customer),
    ("GET", "/customers/([^/]+)", get_customer),
    ("DELETE", "/customers/([^/]+)", delete_customer),
    ("GET", "/report", stream_report),
]


# --- reading what was sent --------------------------------------------------------------------


def text(body: Any, name: str) -> str:
    """Return a member of the JSON body that must be a non-empty string."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise RequestError(422, f"{name}: a non-empty string is required")
    return value


def whole_number(query: dict[str, str], name: str, *, default: int, least: int, most: int) -> int:
    """Return a query parameter as an integer within bounds."""
    value = query.get(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise RequestError(422, f"{name}: a whole number from {least} to {most} is required")
    return int(value)


def route(method: str, path: str) -> tuple[Callable[[Request], Answer], tuple[str, ...]]:
    """Find the operation for a request, and its path parameters."""
    allowed = []
    for known, pattern, operation in ROUTES:
        if match := re.fullmatch(pattern, path):
            if known == method:
                return operation, tuple(unquote(each) for each in match.groups())
            allowed.append(known)
    if allowed:
        raise RequestError(405, f"{path} takes {', '.join(allowed)}")
    raise RequestError(404, f"there is no {path}")


# --- HTTP -------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Turns HTTP/1.1 into `Request` and `Answer`."""

    protocol_version = "HTTP/1.1"  # connections are kept alive
    wbufsize = -1  # head and body leave together
    timeout = 75

    def answer(self) -> None:
        """Answer one request."""
        try:
            body = self.read_body()
            target = urlsplit("//host" + self.path)
            if self.command in ("GET", "HEAD") and target.path == "/openapi.json":
                self.send_bytes(200, DOCUMENT)
                return
            method = "GET" if self.command == "HEAD" else self.command
            operation, parameters = route(method, target.path)
            query = {name: values[-1] for name, values in parse_qs(target.query).items()}
            self.send_answer(operation(Request(parameters, query, parse_json(body))))
        except RequestError as error:
            self.send_answer(Answer(error.status, {"error": str(error)}))
        except ConnectionError:
            self.close_connection = True  # the caller has left

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def read_body(self) -> bytes:
        """Read the whole body; one that is too large is read to its end but not kept."""
        kept, size = bytearray(), 0
        try:
            for piece in self.read_pieces():
                size += len(piece)
                kept += piece if size <= MAX_BODY else b""
        except ValueError as error:
            self.close_connection = True
            raise RequestError(400, "the body is not framed as HTTP") from error
        if size > MAX_BODY:
            raise RequestError(413, f"the body is over {MAX_BODY} bytes")
        return bytes(kept)

    def read_pieces(self) -> Iterator[bytes]:
        """Yield the body in pieces, framed by a length or in chunks (RFC 9112 section 7.1)."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield from self.read_exactly(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline(256).split(b";")[0], 16):
            yield from self.read_exactly(size)
            self.rfile.readline(3)
        while self.rfile.readline(8192).strip():
            pass  # trailers

    def read_exactly(self, size: int) -> Iterator[bytes]:
        """Yield so many bytes, at most 64 KiB at a time."""
        while size > 0:
            piece = self.rfile.read(min(size, 65536))
            if not piece:
                raise ConnectionError("the caller left amid the body")
            size -= len(piece)
            yield piece

    def send_answer(self, answer: Answer) -> None:
        """Send a JSON value, a stream of events or an empty answer."""
        if answer.events is not None:
            self.send_events(answer.events)
        elif answer.value is None:
            self.send_response(answer.status)
            self.end_headers()
        else:
            self.send_bytes(answer.status, json.dumps(answer.value, ensure_ascii=False).encode())

    def send_bytes(self, status: int, body: bytes) -> None:
        """Send a JSON document."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_events(self, events: Iterator[tuple[str, Any]]) -> None:
        """Send Server-Sent Events, each as soon as it is there, as one chunk."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return
        for name, value in events:
            event = f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's name)
        """Log a line for each request; the base class would add a date and resolve addresses."""
        print(format % args, file=sys.stderr, flush=True)


def parse_json(body: bytes) -> Any:
    """Parse the body, if there is one."""
    try:
        return json.loads(body) if body else None
    except ValueError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from error


class Server(ThreadingHTTPServer):
    """An HTTP server on a TCP port or a Unix socket."""

    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without looking the host's name up, which a Unix socket does not have."""
        TCPServer.server_bind(self)


class UnixServer(Server):
    """The same on a Unix socket."""

    address_family = socket.AF_UNIX


def serve() -> None:
    """Serve until interrupted."""
    if path := os.environ.get("SOCKET"):
        Path(path).unlink(missing_ok=True)
        server: Server = UnixServer(path, Handler)  # type: ignore[arg-type]
        where = f"unix:{path}"
    else:
        server = Server(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Handler)
        where = f"http://127.0.0.1:{server.server_address[1]}"
    print(f"▸ Function ready on {where}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    serve()
