"""Signals by their names, also those that have none."""

import signal

import pytest

from edge.exits import signal_name


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGKILL, "SIGKILL"), (15, "SIGTERM"), (signal.SIGRTMIN + 1, "signal 35")],
)
def test_every_signal_has_a_name(number: int, name: str) -> None:
    assert signal_name(number) == name
