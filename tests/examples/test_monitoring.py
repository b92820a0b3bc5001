"""`examples/monitoring/`: dashboard and alerts name what there is; alerts fire when they should.

Where promtool is (Debian: `apt install prometheus`) it judges rules and expressions as well.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.errors import Errors
from edge.observe.exposition import METRICS
from tests.docs.pages import anchors, page
from tests.support.processes import ROOT, run
from tests.support.tools import tool

MONITORING = ROOT / "examples" / "monitoring"
RULES = MONITORING / "alerts.yml"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))

KNOWN = {metric.name: set(metric.labels) for metric in METRICS} | {"up": {"job"}}
KNOWN |= {
    f"{metric.name}_{end}": {*metric.labels, *(["le"] if end == "bucket" else [])}
    for metric in METRICS
    if metric.kind == "histogram"
    for end in ("bucket", "sum", "count")
}
CODES = {kind.value.code for kind in Errors} | {""}
VALUES = {
    "result": {"ok", "error", "unknown"},
    "state": {"ok", "error", "unknown"},
    "whole": {"true", "false"},
    "code": CODES,
    "job": {"jelou-edge"},
}
"""Labels whose values are few, and which they are."""


@dataclass(frozen=True)
class Alert:
    name: str
    expr: str
    text: str

    def annotation(self, name: str) -> str:
        (found,) = re.findall(rf"^ +{name}: (.+)$", self.text, re.MULTILINE)
        return str(found).strip('"')


def alerts() -> Iterator[Alert]:
    for text in RULES.read_text("utf-8").split("- alert: ")[1:]:
        (folded,) = re.findall(r"^ +expr:(?: >-)?((?:.|\n)+?)^ {8}\w", text, re.MULTILINE)
        yield Alert(text.split()[0], " ".join(folded.split()), text)


ALERTS = list(alerts())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [alert.expr for alert in ALERTS] + [target["expr"] for target in TARGETS]


def labels_of(expression: str) -> set[str]:
    """Those of the metrics in an expression, each of which there is, as its matchers are."""
    found = re.findall(r"\b(jelou_\w+|up)\b(?:\{([^}]*)\})?", expression)
    assert found
    labels = set()
    for name, matchers in found:
        assert name in KNOWN, f"there is no metric {name}"
        labels |= KNOWN[name]
        for label, value in re.findall(r'(\w+)(?:=~|!=|!~|=)"([^"]*)"', matchers):
            assert label in KNOWN[name], f"{name} has no label {label}"
            assert value in VALUES.get(label, {value}), f"{label} is never {value}"
    return labels


def shown_by(expression: str) -> set[str]:
    """The labels that its result has."""
    kept = re.findall(r"\bby \(([^)]*)\)", expression)
    if kept:
        return {label.strip() for labels in kept for label in labels.split(",")} - {"le"}
    return set() if "sum(" in expression else labels_of(expression)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_metrics_and_labels_that_there_are(expression: str) -> None:
    labels = labels_of(expression)
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= labels


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_leads_to_a_runbook_and_says_what_is_there(alert: Alert) -> None:
    file, _, heading = alert.annotation("runbook").partition("#")
    assert file == "docs/operations.md"
    assert heading in anchors(page("operations.md"))
    named = set(re.findall(r"\$labels\.(\w+)", alert.annotation("summary")))
    assert named <= shown_by(alert.expr)
    assert re.search(r"^ +severity: (page|ticket)$", alert.text, re.MULTILINE)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for target in TARGETS for name in re.findall(r"jelou_\w+", target["expr"])}
    ends = re.compile(r"_(bucket|sum|count)$")
    assert {ends.sub("", name) for name in shown} == {metric.name for metric in METRICS}


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["schemaVersion"] == 39
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(DASHBOARD["panels"])))
    assert used - variables == {"__rate_interval"}
    for panel in PANELS:
        assert panel["title"]
        assert panel["type"] in ("timeseries", "stat")
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert legend <= shown_by(target["expr"])


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


# With promtool.


def promtool(*words: str) -> None:
    """Run it."""
    done = run([tool("promtool"), *words])
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong_with_rules_and_configuration() -> None:
    promtool("check", "rules", str(RULES))
    promtool("check", "config", str(MONITORING / "prometheus.yml"))


def test_promtool_understands_every_panel(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel_{n}", "expr": target["expr"].replace("$__rate_interval", "1m")}
        for n, target in enumerate(TARGETS)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", str(file))


REQUESTS = 'jelou_requests_total{{function="shop",status="{}",code="{}",lane="fast",whole="true"}}'
GOOD = REQUESTS.format(200, "")
WORKER = '{slot="0"}'
RUNS = 'jelou_cron_runs_total{function="shop",state="error"}'
SCENES: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
    ("JelouEdgeDown", {'up{job="jelou-edge"}': "0x30"}, {"job": "jelou-edge"}),
    ("JelouEdgeDown", {}, {"job": "jelou-edge"}),
    ("JelouErrors", {GOOD: "0+90x30", REQUESTS.format(500, ""): "0+10x30"}, {"function": "shop"}),
    (
        "JelouSlow",
        {
            'jelou_upstream_seconds_bucket{function="shop",le="5.0"}': "0+10x30",
            'jelou_upstream_seconds_bucket{function="shop",le="10.0"}': "0+20x30",
            'jelou_upstream_seconds_bucket{function="shop",le="+Inf"}': "0+20x30",
        },
        {"function": "shop"},
    ),
    ("JelouCircuitOpen", {'jelou_circuit_open{slot="0",upstream="u"}': "1x30"}, {"upstream": "u"}),
    ("JelouOverloaded", {REQUESTS.format(503, "overloaded"): "0+1x30"}, {"function": "shop"}),
    ("JelouOverloaded", {'jelou_unread_total{code="overloaded"}': "0+1x30"}, {}),
    ("JelouUnauthorized", {'jelou_unauthorized_total{reason="unknown"}': "0x18 0+900x12"}, {}),
    ("JelouCronFailing", {RUNS: "1+1x30"}, {"function": "shop"}),
    ("JelouCronFailing", {RUNS: "_x20 1x10"}, {"function": "shop"}),  # the first one ever
    ("JelouWorkerBehind", {f"jelou_worker_generations_behind{WORKER}": "2x30"}, {"slot": "0"}),
    ("JelouWorkerMemory", {f"jelou_worker_resident_bytes{WORKER}": "6e8x30"}, {"slot": "0"}),
    (
        "JelouWorkerFiles",
        {f"jelou_worker_open_fds{WORKER}": "900x30", f"jelou_worker_max_fds{WORKER}": "1024x30"},
        {"slot": "0"},
    ),
    ("JelouStoreUnavailable", {REQUESTS.format(503, "store_unavailable"): "0+1x30"}, {}),
    ("JelouFaults", {REQUESTS.format(500, "internal"): "0+1x30"}, {}),
)
"""An alert, series of a sample a minute, and the labels with which it fires after half an hour."""

QUIET = {
    'up{job="jelou-edge"}': "1x30",
    GOOD: "0+600x30",
    REQUESTS.format(500, ""): "0+1x30",
    'jelou_upstream_seconds_bucket{function="shop",le="0.1"}': "0+600x30",
    'jelou_upstream_seconds_bucket{function="shop",le="+Inf"}': "0+600x30",
    'jelou_unauthorized_total{reason="missing"}': "0+120x30",
    'jelou_cron_runs_total{function="shop",state="ok"}': "0+1x30",
    f"jelou_worker_generations_behind{WORKER}": "0 1 0x28",
    f"jelou_worker_resident_bytes{WORKER}": "1e8x30",
    f"jelou_worker_open_fds{WORKER}": "40x30",
    f"jelou_worker_max_fds{WORKER}": "1024x30",
}
"""An edge that has its few errors and refused callers, as always."""


def _scene(series: dict[str, str], which: str, firing: dict[str, str] | None) -> Any:
    samples = []
    if firing is not None:
        told = "".join(f',{name}="{value}"' for name, value in firing.items())
        samples = [{"labels": f"{{{which}{told}}}", "value": 1}]
    selected = f'last_over_time(ALERTS{{{which},alertstate="firing"}}[1m])'
    query = f"sum without (severity, alertstate) ({selected})"
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "30m", "exp_samples": samples}],
    }


def test_alerts_fire_when_they_should_and_not_otherwise(tmp_path: Path) -> None:
    assert {name for name, _, _ in SCENES} == {alert.name for alert in ALERTS}
    scenes = [_scene(series, f'alertname="{name}"', firing) for name, series, firing in SCENES]
    scenes += [_scene(QUIET, f'alertname="{alert.name}"', None) for alert in ALERTS]
    file = tmp_path / "scenes.yml"
    told = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": scenes}
    file.write_text(json.dumps(told))
    promtool("test", "rules", str(file))
