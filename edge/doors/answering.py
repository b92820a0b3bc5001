"""Answers from memory over ASGI, whatever has become of the request's body."""

from edge.doors import own_answers
from edge.doors.asgi import UNREAD_BYTES, Inbox, Reply
from edge.doors.asked import Asked
from edge.doors.rendering import Rendered
from edge.errors import Refusal
from edge.message import Head, first


async def answer(
    asked: Asked, inbox: Inbox, reply: Reply, made: Rendered, *, closes: bool = False
) -> None:
    """Answer, dealing with a request body that nobody wants.

    Args:
        closes: whether the connection can no longer be trusted to be in step.
    """
    wait = not closes and _is_short(asked.head)
    whole = wait and await inbox.drop_rest()
    reply.connection.ignore_rest()
    await reply.whole(made.status, made.headers, made.body, close=not whole)


async def give_up(asked: Asked, inbox: Inbox, reply: Reply, refused: Refusal) -> None:
    """Answer with an error, or break off an answer that has begun."""
    reply.account.refused(refused)
    if reply.started:
        reply.abort()
        return
    made = own_answers.refused(asked, refused)
    await answer(asked, inbox, reply, made, closes=refused.kind.closes)


def _is_short(head: Head) -> bool:
    """Whether the rest of the body may be read and dropped rather than cut off."""
    length = first(head.headers, b"content-length")
    return not _awaits_continue(head) and (length is None or int(length) <= UNREAD_BYTES)


def _awaits_continue(head: Head) -> bool:
    """Whether the client sends its body only if it is asked to, which reading would do."""
    return (first(head.headers, b"expect") or b"").lower() == b"100-continue"
