"""An edge as it is installed, for every test here."""

from tests.support.installed import built, installed

__all__ = ["built", "installed"]
