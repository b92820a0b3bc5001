"""`jelou doctor`: what is wrong with this set-up, and what to type."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from edge.admin.errors import AdminError
from edge.cli import output
from edge.cli.context import Session
from edge.cli.doctor_checks import Finding, findings
from edge.cli.doctor_facts import gather
from edge.cli.group import command, session
from edge.config import Config
from edge.config_loading import ConfigError, load

_MARKS = {"ok": output.DONE, "warning": output.WARNING, "wrong": output.FAILED}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the checks say together; `healthy` is whether nothing is wrong."""

    healthy: bool
    findings: tuple[Finding, ...]


@command("doctor")
@click.option(
    "--config",
    "toml",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="edge.toml",
    help="The settings that the edge is started with.",
)
@session
def doctor(session: Session, toml: Path | None) -> None:
    """Look at what an edge needs on this machine, and say what is wrong and what to type.

    The exit code is 1 if something is wrong. It mends nothing.
    """
    if session.target().directory is None:
        raise AdminError("FORBIDDEN", "The doctor looks at this machine; run it where the edge is")
    found = findings(gather(_config(session, toml), session.operations))
    healthy = all(finding.level != "wrong" for finding in found)
    session.show(Diagnosis(healthy, found), _lines)
    if not healthy:
        sys.exit(1)


def _config(session: Session, toml: Path | None) -> Config:
    try:
        return load({"data_dir": session.given.data_dir}, session.environ, toml).config
    except ConfigError as error:
        raise AdminError("INPUT_ERROR", str(error)) from None


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    for finding in diagnosis.findings:
        yield f"{_MARKS[finding.level]} {finding.check}: {finding.message}"
        if finding.advice is not None:
            yield f"    {finding.advice}"
