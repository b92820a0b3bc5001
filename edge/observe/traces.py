"""Spans on their way to an OTLP endpoint, in a thread; what it does not take is left out."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, time

from edge.events import Event
from edge.extras import ExtraMissing
from edge.headers import Networks
from edge.observe.background import Background
from edge.observe.spans import Span, spans

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
except ImportError:
    raise ExtraMissing("Sending traces", "traces") from None

MOST_WAITING = 8192
"""Spans that wait to be sent."""

SECONDS = 5.0
"""For one try to send; a collector that is away costs no more than that at the end."""


class Traces:
    """Sends the spans of one worker.

    Args:
        endpoint: base URL; spans go to `/v1/traces` below it, fields besides as
            `OTEL_EXPORTER_OTLP_HEADERS` has them.
        attributes: of the worker, as resource.
        complain: told, once each time, that spans cannot be sent.
    """

    def __init__(
        self,
        endpoint: str,
        networks: Networks,
        attributes: Mapping[str, str],
        complain: Callable[[str], None],
    ) -> None:
        url = f"{endpoint.removesuffix('/')}/v1/traces"
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=SECONDS)
        self._resource = Resource.create({**attributes})
        self._networks = networks
        self._sending = Background("traces", self._send, MOST_WAITING, SECONDS, complain)

    def watch(self, events: Sequence[Event]) -> None:
        """Have the spans of events sent; it does not wait."""
        made = list(spans(events, time() - monotonic(), self._networks))
        if made:
            self._sending.take(made, len(made))

    def close(self) -> None:
        """Send what waits, within bounds."""
        self._sending.close()

    def _send(self, made: Sequence[Span]) -> str:
        try:
            result = self._exporter.export([_readable(span, self._resource) for span in made])
        except Exception:
            result = SpanExportResult.FAILURE
        sent = result is SpanExportResult.SUCCESS
        return "" if sent else "Traces cannot be sent; see the setting traces."


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    parent = _context(span.trace, span.parent, remote=True) if span.parent else None
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace, span.id, remote=False),
        parent=parent,
        resource=resource,
        attributes=span.attributes,
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
        start_time=span.began,
        end_time=span.ended,
    )


def _context(trace: str, span: str, *, remote: bool) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(trace, 16), int(span, 16), is_remote=remote, trace_flags=flags)
