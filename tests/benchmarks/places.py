"""Where the results stand in the project, for the benchmark that writes them and its test."""

from tests.support.processes import ROOT

RAW = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"
