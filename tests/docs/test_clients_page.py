"""`docs/clients.md` shows what `jelou mcp config` prints, and code that the examples run."""

import textwrap

import pytest

from edge.cli.snippets import CLIENTS, TOKENLESS, Wanted
from mcp_bridge.admission import Rejection, admit
from mcp_bridge.revisions import HANDSHAKE, STATELESS, has_structured_content
from tests.docs.pages import ROOT, Block, blocks, links, only_code, page, rows

PAGE = page("clients.md")
WANTED = Wanted("my-function", "https://edge.example/my-function/mcp", None, "/usr/local/bin/jelou")
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


def test_get_is_refused_as_long_as_the_page_says_so() -> None:
    assert "| 405 | `GET`: there is no stream" in PAGE
    with pytest.raises(Rejection) as refused:
        admit("GET", (), lambda _: None)
    assert refused.value.status == 405
