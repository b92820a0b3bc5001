"""A program that restores a backup whenever it is told to; made to be killed amid that.

Run as `python -m tests.support.restorer DIRECTORY FILE`: each line on stdin forks a process that
says its id, restores and ends; `ended` follows. See `tests.support.store_writer`.
"""

import os
import sys
from pathlib import Path

from edge.admin.restoring import restore
from edge.config import Config
from tests.support.store_writer import say


def main() -> None:
    """Fork a restore for each line."""
    config, file = Config(data_dir=Path(sys.argv[1])), Path(sys.argv[2])
    for _ in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            say("started", str(os.getpid()))
            restore(config, file, "1", lambda _: None)
            say("restored")
            os._exit(0)
        os.waitpid(child, 0)
        say("ended")


if __name__ == "__main__":
    main()
