"""Calls of functions the way that everybody takes: requests to the edge's own public address.

The edge is asked where it listens on this machine, so that a token goes nowhere else, and over TLS
it has to show the very certificate that it serves. What is answered is read within bounds.
"""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from edge.config import Config, function_url
from edge.mcp_headers import META_VERSION, annotated, mirrored
from edge.settings import Address, parse_address
from edge.version import VERSION
from mcp_bridge.events import EventReader, EventsTooLarge
from mcp_bridge.revisions import STATELESS

LARGEST = 1024 * 1024
"""Bytes of an answer that are read."""

PATIENCE = 60.0
"""Seconds for a whole answer."""

_CONNECT = 5.0
_PIECE = 64 * 1024
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is bound, not a bind

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Try:
    """A request to a function.

    Attributes:
        path: below the function's address, with its query.
        token: a runtime token, or None.
    """

    function: str
    method: str
    path: str
    fields: Fields
    body: bytes | None
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        status: 0 if there was no answer.
        seconds: from the connection to the answer's end.
        cut: whether the answer went on beyond what was read.
        problem: why there is no whole answer; empty if there is one.
    """

    status: int
    seconds: float
    fields: Sequence[tuple[str, str]] = ()
    body: bytes = field(default=b"", repr=False)
    cut: bool = False
    problem: str = ""

    @property
    def media_type(self) -> str:
        """Of the body, in lower case, without parameters."""
        return self.field("content-type").partition(";")[0].strip().lower()

    def field(self, name: str) -> str:
        """A field of the answer, empty if there is none."""
        return next((value for key, value in self.fields if key.lower() == name), "")


class Tries:
    """Makes calls of the functions of one edge.

    Args:
        bound: the public addresses, ports included.
    """

    def __init__(self, config: Config, bound: Sequence[str]) -> None:
        self._config = replace(config, public_url=None, domain_given=False)
        self._bound = tuple(bound)
        addresses = [parse_address(each) for each in bound]
        self._address = next((each for each in addresses if not each.path), addresses[0])

    def make(self, wanted: Try) -> Outcome:
        """Call, and wait for the end of the answer. Blocks; raises nothing."""
        began = time.monotonic()
        try:
            with closing(self._connection()) as connection:
                return self._exchange(connection, wanted, began)
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            return Outcome(0, time.monotonic() - began, problem=f"No answer came: {why}")

    def _exchange(
        self, connection: http.client.HTTPConnection, wanted: Try, began: float
    ) -> Outcome:
        url = urlsplit(function_url(self._config, self._bound, wanted.function))
        own = {"Host": url.netloc, "User-Agent": f"jelou-console/{VERSION}"}
        token = {} if wanted.token is None else {"X-Jelou-Token": wanted.token}
        target = url.path + wanted.path
        connection.connect()
        connection.sock.settimeout(PATIENCE)
        connection.request(wanted.method, target, wanted.body, {**own, **token, **wanted.fields})
        response = connection.getresponse()
        body, problem = _body(response, began + PATIENCE)
        return Outcome(
            status=response.status,
            seconds=time.monotonic() - began,
            fields=tuple(response.getheaders()),
            body=body[:LARGEST],
            cut=len(body) > LARGEST,
            problem=problem,
        )

    def _connection(self) -> http.client.HTTPConnection:
        address = self._address
        if address.path:
            return _OverUnix(address)
        host = _LOOPBACK.get(address.host, address.host)
        if self._config.certfile is None:
            return http.client.HTTPConnection(host, address.port, timeout=_CONNECT)
        context = ssl.create_default_context(cafile=str(self._config.certfile))
        context.check_hostname = False  # it is told by its certificate, not by a name
        context.verify_flags = ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        return http.client.HTTPSConnection(host, address.port, timeout=_CONNECT, context=context)


class _OverUnix(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, address: Address) -> None:
        super().__init__("localhost", timeout=_CONNECT)
        self._path = address.path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT)
        self.sock.connect(self._path)


def _body(response: http.client.HTTPResponse, deadline: float) -> tuple[bytes, str]:
    """The body as far as it is read, and why it is not whole."""
    pieces: list[bytes] = []
    size = 0
    try:
        while size <= LARGEST:
            if time.monotonic() >= deadline:
                return b"".join(pieces), f"The answer was not over after {PATIENCE:.0f} s"
            piece = response.read1(_PIECE)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
    except (OSError, http.client.HTTPException) as error:
        return b"".join(pieces), f"The answer broke off: {error or type(error).__name__}"
    return b"".join(pieces), ""


# --- tools ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """A tool's result.

    Attributes:
        failed: whether it says `isError`, or is a JSON-RPC error.
        refused: the message of such an error, empty for none.
        texts: its text content.
        images: its images, as `data:` addresses.
        structured: its structured content, or None.
        whole: the JSON-RPC message.
    """

    failed: bool
    refused: str
    texts: tuple[str, ...]
    images: tuple[str, ...]
    structured: Any
    whole: Any


def call_of(
    function: str, tool: str, schema: Mapping[str, Any], arguments: Any, token: str | None
) -> Try:
    """A `tools/call` of the stateless revision: one request, no session."""
    meta = {
        META_VERSION: STATELESS[-1],
        "io.modelcontextprotocol/clientInfo": {"name": "jelou-console", "version": VERSION},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    listed = {"result": {"tools": [{"name": tool, "inputSchema": schema}]}}
    fields = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **mirrored(message, dict(annotated(listed))),
    }
    return Try(function, "POST", "/mcp", fields, json.dumps(message).encode(), token)


def result_of(outcome: Outcome) -> Result | None:
    """The tool's result in an answer, or None if it holds none."""
    for message in _messages(outcome):
        if isinstance(message, dict) and message.get("id") == 1:
            return _result(message)
    return None


def _messages(outcome: Outcome) -> list[Any]:
    texts = [outcome.body.decode("utf-8", "replace")]
    if outcome.media_type == "text/event-stream":
        reader = EventReader("sse", LARGEST)
        try:
            texts = [event.data for event in reader.feed(outcome.body)]
        except EventsTooLarge:
            return []
    found = []
    for text in texts:
        try:
            found.append(json.loads(text))
        except (ValueError, RecursionError):
            continue
    return found


_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def _result(message: Mapping[str, Any]) -> Result:
    result = message.get("result")
    if not isinstance(result, dict):
        return Result(True, _refusal(message), (), (), None, message)
    content = result.get("content")
    blocks = [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []
    return Result(
        failed=result.get("isError") is True,
        refused="",
        texts=tuple(str(b["text"]) for b in blocks if b.get("type") == "text" and "text" in b),
        images=tuple(filter(None, map(_image, blocks))),
        structured=result.get("structuredContent"),
        whole=message,
    )


def _refusal(message: Mapping[str, Any]) -> str:
    error = message.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    return str(said or "it does not say why")


def _image(block: Mapping[str, Any]) -> str:
    kind, data = block.get("mimeType"), block.get("data")
    if block.get("type") != "image" or not isinstance(kind, str) or kind not in _IMAGES:
        return ""
    return f"data:{kind};base64,{data}" if isinstance(data, str) else ""
