"""`cron` in a project file: schedules as they are written (platform documentation, cron). Pure.

When a schedule is due is not decided here.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from edge.functions import Cron
from edge.project_file.reader import Section, quote
from edge.project_file.texts import seconds

CRON_KEYS = ("expression", "timezone", "name", "botId", "overlap", "grace")
MAX_SCHEDULES = 10

_ITEM = re.compile(r"(?:(?P<all>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>[0-9]{1,4}))?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """A value of this field, by number or name; None if it is none."""
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.lowest
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else -1
        return number if self.lowest <= number <= self.highest else None


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


def wrong_expression(expression: str) -> str | None:
    """What is wrong with five cron fields, or None."""
    parts = re.split("[ \t]+", expression)
    if len(parts) != 5 or len(expression) > 256 or not _goes_into_a_field(expression):
        return (
            f"{quote(expression)} is not a schedule; write five fields (minute, hour, day of "
            'month, month, day of week), such as "0 9 * * MON-FRI"'
        )
    values: list[set[int]] = []
    for text, field in zip(parts, _FIELDS, strict=True):
        found = _values(text, field)
        if isinstance(found, str):
            return found
        values.append(found)
    longest = max(_LONGEST_MONTH.get(month, 31) for month in values[3])
    # Where either day field begins with a star, both must fit; else it is enough that one does.
    if parts[4].startswith("*") and min(values[2]) > longest:
        return f"{quote(expression)} never comes: no such month has that day"
    return None


def in_numbers(expression: str) -> str:
    """A right expression with its names, ranges and steps written out; Sunday is 0.

    What begins with a star stays as it is: a star means more than all values in the day fields.
    """
    fields = zip(expression.split(), _FIELDS, strict=True)
    return " ".join(_field_in_numbers(text, field) for text, field in fields)


def _field_in_numbers(text: str, field: _Field) -> str:
    items: list[str] = []
    for item in text.split(","):
        found = _values(item, field)
        if item.startswith("*") or isinstance(found, str):
            items.append(item)
        else:
            items += [str(n % 7 if field.highest == 7 else n) for n in sorted(found)]
    return ",".join(items)


def _values(text: str, field: _Field) -> set[int] | str:
    """The values that one field names, or what is wrong with it."""
    values: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        span = _span(match, field) if match else None
        step = int(match["step"] or 1) if match else 0
        if span is None or step == 0:
            names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
            return (
                f"{quote(text)} cannot be the {field.name}; write *, numbers from {field.lowest} "
                f"to {field.highest}{names}, ranges a-b, lists a,b and steps */n or a-b/n"
            )
        values.update(range(span[0], span[1] + 1, step))
    return values


def _span(match: re.Match[str], field: _Field) -> tuple[int, int] | None:
    if match["all"]:
        return field.lowest, field.highest
    low = field.number(match["low"])
    if match["high"] is None:
        return None if low is None or match["step"] else (low, low)
    high = field.number(match["high"])
    if high == 0 and field.highest == 7:
        high = 7  # FRI-SUN: a week that ends on its Sunday
    return (low, high) if low is not None and high is not None and low <= high else None


def read_cron(section: Section, known_timezone: Callable[[str], bool]) -> tuple[Cron, ...]:
    """The key `cron` of a `config`."""
    found: list[Cron] = []
    for index, item in enumerate(section.items("cron", "a list of schedules")):
        path = (*section.path, "cron", index)
        if isinstance(item, dict):
            schedule = Section(item, path, section.findings, CRON_KEYS)
            found.append(_read_schedule(schedule, known_timezone))
        else:
            section.findings.problem(path, f"must be an object, not {quote(item)}")
    return tuple(found)


def _read_schedule(schedule: Section, known_timezone: Callable[[str], bool]) -> Cron:
    if "expression" not in schedule:
        schedule.problem(None, '"expression" is missing; write one such as "0 9 * * *"')
    expression = schedule.string("expression", "* * * * *").strip(" \t")
    wrong = wrong_expression(expression)
    if wrong:
        schedule.problem("expression", wrong)
    timezone = schedule.string("timezone", "UTC")
    if not _ZONE.fullmatch(timezone) or not known_timezone(timezone):
        schedule.expected("timezone", 'an IANA time zone, such as "America/Guayaquil"')
    if schedule.get("overlap") not in (None, "skip", "allow"):
        schedule.expected("overlap", '"skip" or "allow"')
    return Cron(
        expression,
        timezone,
        name=_read_label(schedule, "name", 64),
        bot_id=_read_label(schedule, "botId", 128),
        overlap="allow" if schedule.get("overlap") == "allow" else "skip",
        grace=_read_grace(schedule),
    )


def _read_label(schedule: Section, key: str, longest: int) -> str | None:
    text = schedule.optional_string(key, longest)
    if text and text == schedule.get(key) and not _goes_into_a_field(text):
        schedule.expected(key, "text without control characters and without spaces around it")
        return None
    return text


def _goes_into_a_field(text: str) -> bool:
    """Whether a header field carries a text as it is (RFC 9110 §5.5), in UTF-8."""
    return text == text.strip() and not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


def _read_grace(schedule: Section) -> int:
    if "grace" not in schedule:
        return Cron("").grace
    grace = seconds(schedule.get("grace"))
    if grace is None:
        schedule.expected("grace", 'a duration, such as 60 (seconds) or "5m"')
    return grace or 0
