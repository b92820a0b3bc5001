"""Reads a compose file or Kubernetes manifests, judges them by their schemas, prints them as JSON.

The exit status is 1, and stderr says what is wrong, if one is not as its schema has it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from compose_spec import PyCompose


def compose(text: str) -> list[Any]:
    """The one document of a compose file. Raises ValueError."""
    PyCompose.from_yaml(text).validate()
    return [yaml.safe_load(text)]


def kubernetes(text: str) -> list[Any]:
    """Every resource; unknown keys are refused. Raises ValidationError."""
    found = list(yaml.safe_load_all(text))
    for each in found:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    return found


def main(kind: str, text: str) -> None:
    """Judge and print."""
    sys.stdout.write(json.dumps({"compose": compose, "kubernetes": kubernetes}[kind](text)))


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]).read_text("utf-8"))
    except (ValueError, kubernetes_validate.ValidationError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
