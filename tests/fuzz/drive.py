"""One target under libFuzzer: `python -m tests.fuzz.drive TARGET OPTIONS`; libFuzzer ends it."""

import random
import sys

import atheris

from tests.fuzz.json_mutation import mutated

_PRODUCT = ["edge", "mcp_bridge", "tokens"]

# Nothing of the product is imported before: what is not instrumented guides nobody.
with atheris.instrument_imports(include=_PRODUCT):
    from tests.fuzz import targets


def main() -> None:
    """Fuzz until the options say that it is enough, or a fault is found."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=_PRODUCT):
        target = targets.load(name)

    def altered(data: bytes, max_size: int, seed: int) -> bytes:
        source = random.Random(seed)
        value = mutated(data, source, target.words) if source.random() < 0.8 else None
        if value is None or len(value) > max_size:
            return bytes(atheris.Mutate(data, len(data)))
        return value

    own = {"custom_mutator": altered} if target.is_json else {}
    atheris.Setup([sys.argv[0], *options], target.check, **own)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
