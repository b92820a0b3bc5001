"""What a caller has of an upstream's answer: its head at once, its body as it comes."""

from edge.forwarding.exchange import Exchange
from edge.forwarding.parse import Frame, ResponseHead, end_to_end
from edge.forwarding.tunnel import Tunnel
from edge.forwarding.wire import Framing
from edge.functions import Upstream
from edge.message import Body, Headers


class UpstreamAnswer:
    """An answer whose head has come.

    Attributes:
        upstream: the address that gave it.
        headers: end-to-end fields, names in lower case; with `101` every field.
        version: `1.0` or `1.1`.
        framing: how the end of the body is known.
        length: bytes of body if the framing says so, else None.
    """

    __slots__ = (
        "_exchange",
        "framing",
        "headers",
        "length",
        "reason",
        "status",
        "upstream",
        "version",
    )

    def __init__(
        self, exchange: Exchange, upstream: Upstream, head: ResponseHead, frame: Frame
    ) -> None:
        self._exchange = exchange
        self.upstream = upstream
        self.status = head.status
        self.reason = head.reason
        self.version = head.version
        self.headers: Headers = head.headers if head.status == 101 else end_to_end(head.headers)
        self.framing: Framing = frame.framing
        self.length = frame.length if frame.framing == "length" else None

    @property
    def instance(self) -> str:
        """The process that gave it, of a function that the edge runs; else empty."""
        return self._exchange.instance

    @property
    def body(self) -> Body:
        """The body's pieces, once; at its end the request's body is no longer asked for more.

        Iterating raises `UpstreamFailure` (`truncated`, `invalid`, `idle`) if the answer does not
        come whole, `BodyMismatch` or what the request's iterator raised if that ended it.
        """
        return self._exchange

    @property
    def complete(self) -> bool:
        """Whether the whole answer has come, read or not."""
        return self._exchange.complete

    @property
    def held(self) -> int:
        """Bytes of the body that have come and were not read yet."""
        return self._exchange.held

    @property
    def trailers(self) -> Headers:
        """Trailer fields (RFC 9110 §6.5), known once the body has ended."""
        return self._exchange.trailers

    @property
    def tunnel(self) -> Tunnel | None:
        """After `101`, the connection as the other protocol has it."""
        return self._exchange.tunnel

    def set_idle(self, seconds: float) -> None:
        """Allow this long without a byte within the answer, from now on."""
        self._exchange.set_idle(seconds)

    async def aclose(self) -> None:
        """Leave; the upstream's connection is aborted unless the answer is complete."""
        await self._exchange.aclose()
