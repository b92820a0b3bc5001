"""What is given to people who install it, for every test here."""

from tests.support.installed import built

__all__ = ["built"]
