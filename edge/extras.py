"""What is asked for without the packages that it takes."""


class ExtraMissing(Exception):
    """The packages of an extra are not installed; the text says what to type."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs more packages: pip install 'jelou-edge[{extra}]'")
