"""`docs/metrics.md`: every metric stands there as it is told, and the codes it names are errors."""

import re

from edge.errors import Errors
from edge.observe.exposition import METRICS
from tests.docs.pages import page, rows

PAGE = page("metrics.md")
LIMITS = PAGE.partition("## The limits")[2]


def test_the_table_is_that_of_the_metrics() -> None:
    expected = [
        [f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.meaning]
        for m in METRICS
    ]
    assert [row for row in rows(PAGE) if row[0].startswith("`jelou_")] == expected


def test_the_limits_table_names_errors_that_there_are() -> None:
    named = set(re.findall(r'code="(\w+)"|, `(\w+)`', LIMITS))
    codes = {kind.value.code for kind in Errors}
    assert {one or other for one, other in named} <= codes
    assert named
