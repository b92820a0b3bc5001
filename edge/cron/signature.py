"""The fields of a run, signed; a receiver verifies them with `edge/sdk/cron.py`. Pure."""

from collections.abc import Sequence

from edge.functions import Cron
from edge.message import Headers
from edge.sdk import cron as signing


def run_fields(cron: Cron, run: str) -> Headers:
    """What tells a function which schedule it runs for; values are the UTF-8 of what was written.

    A name or bot that the schedule does not have is no field.
    """
    values = (cron.expression, cron.name, cron.bot_id, run)
    named = zip(signing.SIGNED, values, strict=True)
    return tuple((name, value.encode()) for name, value in named if value)


def signed(
    fields: Headers,
    secrets: Sequence[str],
    now: float,
    method: bytes,
    target: bytes,
    body: bytes = b"",
) -> Headers:
    """The fields of a run with their signature behind them, by each secret.

    Args:
        fields: as `run_fields` makes them.
        secrets: newest first.
        now: Unix time, seconds.
        target: as the function sees it.
    """
    time = int(now)
    text = signing.signed_text(time, method, target, dict(fields), body)
    made = [f"v1={signing.signature(secret, text)}" for secret in secrets]
    return (*fields, (signing.SIGNATURE, ",".join([f"t={time}", *made]).encode()))
