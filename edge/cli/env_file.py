"""Files of `KEY=VALUE` lines, such as `.env`, as values. Pure.

`export` before a name, comments, and quotes as shells have them: single ones hold text as it is,
double ones know `\\n`, `\\r`, `\\t`, `\\"`, `\\\\` and `\\$`; both may span lines. Nothing is
expanded: `$` is a dollar.
"""

import re

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


class BadLine(ValueError):
    """A line that sets nothing; the text has its number and never its content."""


def read_env(text: str) -> dict[str, str]:
    """The values by name; of a name that is set twice the last.

    Raises:
        BadLine: saying which line and what to write.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    values, at = {}, 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank is not None:
            at = max(blank.end(), at + 1)
            continue
        name = _NAME.match(text, at)
        if name is None:
            raise _bad(text, at, "write KEY=VALUE")
        values[name[1]], at = _value(text, name.end())
    return values


def _value(text: str, at: int) -> tuple[str, int]:
    """The value that begins there, and where the next line does."""
    if text[at : at + 1] not in ("'", '"'):
        line, _, _ = text[at:].partition("\n")
        return _COMMENT.sub("", line).strip(), at + len(line) + 1
    quoted = (_SINGLE if text[at] == "'" else _DOUBLE).match(text, at)
    if quoted is None:
        raise _bad(text, at, "the quotation mark is not closed")
    value = quoted[1] if text[at] == "'" else _ESCAPE.sub(_unescaped, quoted[1])
    return value, _end_of_line(text, quoted.end())


def _unescaped(escape: re.Match[str]) -> str:
    return _ESCAPES.get(escape[1], escape[0])


def _end_of_line(text: str, at: int) -> int:
    rest = _BLANK.match(text, at)
    if rest is None:
        raise _bad(text, at, "there is more behind the closing quotation mark")
    return rest.end()


def _bad(text: str, at: int, what: str) -> BadLine:
    line = text.count("\n", 0, at) + 1
    return BadLine(f"line {line}: {what}")
