"""A process of its own that fires schedules: `python -m tests.support.cron_process DIR CLOCK…`."""

import sys
from pathlib import Path

import anyio

from tests.support.cron_rig import FastClock, process


async def main(directory: Path, clock: FastClock) -> None:
    """Fire until killed."""
    async with process(directory, clock):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    start, origin, speed = (float(text) for text in sys.argv[2:])
    anyio.run(main, Path(sys.argv[1]), FastClock(start, origin, speed))
