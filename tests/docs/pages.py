"""The project's pages as the tests of `docs/` read them: blocks, tables, links, headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
PAGES = (
    ROOT / "README.md",
    *sorted(DOCS.glob("*.md")),
    EXAMPLES / "README.md",
    EXAMPLES / "deploying" / "README.md",
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text, and the heading that it stands under."""

    language: str
    text: str
    heading: str


def page(name: str) -> str:
    """The text of a page in `docs/`."""
    return (DOCS / name).read_text("utf-8")


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for match in _FENCE.finditer(text):
        above = _HEADING.findall(prose(text[: match.start()]))
        yield Block(match[1], match[2], above[-1] if above else "")


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table, heads and rules too."""
    for line in prose(text).splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in _CELL.split(line.strip("|"))]


def codes(text: str) -> list[str]:
    """What stands in backquotes."""
    return _CODE.findall(text)


def only_code(cell: str) -> str | None:
    """The content of a cell that is one piece of code and nothing else."""
    match = _CODE.fullmatch(cell)
    return match[1] if match else None


def links(text: str) -> list[str]:
    """Where a page's links and pictures point to."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The fragments that a page's headings answer to."""
    return {_anchor(heading) for heading in _HEADING.findall(prose(text))}


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")
