"""The version of the software, as it was installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("jelou-edge")
except PackageNotFoundError:  # running from a checkout that was never installed
    VERSION = "0+unknown"
