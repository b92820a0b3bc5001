"""All pages together: links lead somewhere, commands exist, nothing secret or local is shown."""

import re

import pytest

from tests.docs.command_lines import check_line, check_mention, shown_lines
from tests.docs.pages import DOCS, PAGES, ROOT, anchors, blocks, codes, links, prose
from tokens import secret

NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in NAMES}
LINKS = sorted({(name, link) for name in NAMES for link in links(TEXTS[name])})

LINES = [
    (name, words)
    for name in NAMES
    for block in blocks(TEXTS[name])
    for words in shown_lines(block.text)
]
MENTIONS = [
    (name, words)
    for name in NAMES
    for code in codes(prose(TEXTS[name]).replace("\n", " "))
    for words in shown_lines(code)
]

LOCAL = re.compile(r"(?<![\w.])/(?:work|home|root|tmp|Users|mnt)/")
REGISTRIES = re.compile(
    r"pypi\.|pythonhosted|npmjs|registry\.|crates\.io|proxy\.golang|hub\.docker|artifactory",
    re.IGNORECASE,
)
TOKEN = re.compile(r"jfn_(?:rt|pat)_[0-9A-Za-z]{12,}")


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_a_link_leads_to_a_page_and_a_heading(name: str, link: str) -> None:
    assert not link.startswith("http"), "pages name no address that may go away"
    path, _, fragment = link.partition("#")
    target = (ROOT / name).parent / path if path else ROOT / name
    assert target.exists()
    if fragment:
        assert fragment in anchors(target.read_text("utf-8"))


def test_the_readme_names_every_page() -> None:
    table = TEXTS["README.md"].partition("## Read on")[2]
    pages = {path.relative_to(ROOT).as_posix() for path in DOCS.glob("*.md")}
    assert pages <= set(links(table))


@pytest.mark.parametrize(("name", "words"), LINES, ids=lambda value: " ".join(value)[:60])
def test_a_command_line_shown_is_understood(name: str, words: list[str]) -> None:
    if "…" in " ".join(words):
        check_mention(words)
    else:
        check_line(words)


@pytest.mark.parametrize(("name", "words"), MENTIONS, ids=lambda value: " ".join(value)[:60])
def test_a_command_mentioned_exists_with_its_options(name: str, words: list[str]) -> None:
    check_mention(words)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_no_machine_registry_or_token(name: str) -> None:
    for pattern in (LOCAL, REGISTRIES, TOKEN):
        found = pattern.search(TEXTS[name])
        assert found is None, found
    assert not secret.contains_token(TEXTS[name].encode())


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_no_tabs_no_trailing_space_and_one_title(name: str) -> None:
    lines = prose(TEXTS[name]).splitlines()
    assert [line for line in lines if "\t" in line or line != line.rstrip()] == []
    assert len([line for line in lines if line.startswith("# ")]) == 1
