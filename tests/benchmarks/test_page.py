"""The page of results: it says what the raw file says, and nobody has typed a number into it."""

from tests.benchmarks import report, results
from tests.benchmarks.opponents.table import MCP_OPPONENTS, OPPONENTS
from tests.benchmarks.places import CHART, PAGE, RAW


def test_the_page_and_its_picture_are_what_the_raw_results_give() -> None:
    known = results.load(RAW)
    page = PAGE.read_text("utf-8")
    assert report.written(page, known, (*OPPONENTS, *MCP_OPPONENTS), CHART.name) == page
    assert CHART.read_text("utf-8") == report.picture(known, OPPONENTS)


def test_every_contender_of_the_results_is_known() -> None:
    known = {opponent.name for opponent in (*OPPONENTS, *MCP_OPPONENTS)}
    measured = {name for each in results.load(RAW).scenarios.values() for name in each.opponents}
    assert measured <= known
