"""Raw request paths and templates."""

import pytest

from tokens.paths import PathTemplate, is_plain


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        (b"/", True),
        (b"/a/b.c", True),
        (b"/a/...", True),
        (b"/a%20b", True),
        (b"/.well-known/x", True),
        (b"/..", False),
        (b"/.", False),
        (b"/a/./b", False),
        (b"/a/%2e/b", False),
        (b"/a/.%2E/b", False),
        (b"/a/..;x/b", False),
        (b"/a/..;", False),
        (b"/a/b;x", True),
        (b"/a//b", False),
        (b"//", False),
        (b"/a\\b", False),
        (b"/a%5Cb", False),
        (b"/a%2fb", False),
        (b"/a%00", False),
    ],
)
def test_what_servers_disagree_about_is_not_plain(path: bytes, plain: bool) -> None:
    assert is_plain(path) is plain


@pytest.mark.parametrize(
    ("template", "path", "matches"),
    [
        ("/users/{id}", b"/users/7", True),
        ("/users/:id", b"/users/7", True),
        ("/users/{id}", b"/users/", False),
        ("/users/{id}", b"/users/7/x", False),
        ("/files/{name}.json", b"/files/a.json", True),
        ("/files/{name}.json", b"/files/axjson", False),
        ("/users/{id}", b"/users/..", False),
        ("/a.b", b"/aXb", False),
        ("/a", b"/a\n", False),
        ("*", b"/a/../b", True),
    ],
)
def test_a_template_matches_byte_for_byte(template: str, path: bytes, matches: bool) -> None:
    assert PathTemplate(template).matches(path) is matches
