"""`docs/clients.md` shows what `jelou mcp config` prints, and code that the examples run."""

import textwrap

import pytest

from edge.snippets import CLIENTS, TOKENLESS, Wanted
from mcp_bridge.admission import SESSION_ID, VERSION, McpHead, Rejection, admit
from mcp_bridge.calls import COMMENT_EVERY, STREAM_AFTER
from mcp_bridge.catalog import MAX_PAGE_SIZE, MAX_PAGE_TOOLS
from mcp_bridge.revisions import HANDSHAKE, STATELESS, has_structured_content
from mcp_bridge.session import MAX_AGE, Session
from tests.conformance.test_conformance import CHECKS
from tests.docs.pages import ROOT, Block, blocks, links, only_code, page, rows

PAGE = page("clients.md")
WANTED = Wanted("my-function", "https://edge.example/my-function/mcp", None, "/usr/local/bin/jelou")
SESSION = Session("my-function", "", HANDSHAKE[-1], 0, "nonce")
CODE = [block for block in blocks(PAGE) if block.language in ("python", "js")]
CODE += [b for b in blocks(PAGE) if b.language == "sh" and b.heading == "Plain HTTP"]


def section(client: str) -> str:
    """What the page says below the heading of a client."""
    return PAGE.partition(f"### `{client}`\n")[2].partition("\n##")[0]


def table() -> dict[str, list[str]]:
    """The rows of the table of clients, by client."""
    found = ((only_code(cells[0]), cells) for cells in rows(PAGE))
    return {name: cells for name, cells in found if name in CLIENTS and len(cells) == 4}


def test_the_table_has_every_client_in_the_order_of_the_command() -> None:
    assert list(table()) == list(CLIENTS)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_snippet_shown_is_the_one_that_is_printed(client: str) -> None:
    (block,) = blocks(section(client))
    snippet = CLIENTS[client](WANTED)
    assert block.text == f"{snippet.text}\n"
    assert f"Where: {snippet.where}\n" in section(client)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_cannot_send_the_header_is_said_to(client: str) -> None:
    _, _, sends, token = table()[client]
    assert sends == ("yes" if CLIENTS[client](WANTED).sends_header else "no")
    assert (token == "none") == (client in TOKENLESS)


@pytest.mark.parametrize("block", CODE, ids=lambda block: block.text.partition("\n")[0])
def test_the_code_shown_stands_in_an_example(block: Block) -> None:
    before = PAGE[: PAGE.index(block.text)]
    source = ROOT / "docs" / links(before)[-1]
    lines = [line.strip() for line in source.read_text("utf-8").splitlines()]
    shown = [line.strip() for line in textwrap.dedent(block.text).splitlines()]
    assert any(lines[at : at + len(shown)] == shown for at in range(len(lines)))


def test_the_revisions_are_those_that_are_served() -> None:
    said = {only_code(cells[0]): cells[1:] for cells in rows(PAGE) if cells[0].startswith("`20")}
    assert [name for name, cells in said.items() if cells[0] == "handshake"] == list(HANDSHAKE)
    assert [name for name, cells in said.items() if cells[0] == "stateless"] == list(STATELESS)
    for name, (_, structured) in said.items():
        assert structured.startswith("none") != has_structured_content(str(name))


def test_get_is_a_stream_of_a_session_and_else_refused_as_the_page_says() -> None:
    assert "| `GET` with a session | a stream of changes" in PAGE
    assert "| 405 | `GET` without a session, or on 2026-07-28:" in PAGE
    of_session = ((SESSION_ID, b"id"),)
    assert admit(McpHead("GET", of_session), lambda _: SESSION).session == SESSION
    for fields in ((), ((VERSION, STATELESS[-1].encode()), *of_session)):
        with pytest.raises(Rejection) as refused:
            admit(McpHead("GET", fields), lambda _: SESSION)
        assert refused.value.status == 405


def test_a_session_lasts_as_long_as_the_page_says() -> None:
    assert f"for {MAX_AGE // 86_400} days, for this function" in PAGE


def test_answers_turn_to_streams_when_the_page_says() -> None:
    assert f"JSON if it is done within {STREAM_AFTER:.0f} s, else an event stream" in PAGE
    assert f"Streams have a comment every {COMMENT_EVERY:.0f} s" in PAGE


def test_lists_have_the_pages_that_the_page_says() -> None:
    assert f"up to {MAX_PAGE_TOOLS:,} or {MAX_PAGE_SIZE // 1024**2} MiB to a page" in PAGE


def test_the_conformance_suite_has_as_many_checks_as_the_page_says() -> None:
    said = " ".join(PAGE.split())
    for revision in ("2025-06-18", "2025-11-25", "2026-07-28"):
        assert f"{CHECKS[revision]} of {CHECKS[revision]} on {revision}" in said
