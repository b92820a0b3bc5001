"""The Python proxies that people write, and other servers under our own application and pool."""

from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.opponents.model import HTTP2, TLS, Launch, Need, Opponent, Programs, SetUp

ROOT = Path(__file__).resolve().parents[3]
APPS = "tests.benchmarks.apps"

Command = Callable[[SetUp], list[str]]


def python(program: str, command: Command) -> Callable[[SetUp, Programs], Launch]:
    """Started with the interpreter of a program; apps read what they are to do from these."""

    def launch(setup: SetUp, programs: Programs) -> Launch:
        digests = setup.write("digests", "\n".join(setup.digests) + "\n")
        env = {
            "PYTHONPATH": str(ROOT),
            "BENCH_PORT": str(setup.port),
            "BENCH_UPSTREAM": str(setup.upstream),
            "BENCH_DIGESTS": str(digests),
            "BENCH_DOCUMENT": str(setup.document),
            "BENCH_STORE": str(setup.store),
            "BENCH_CERTIFICATE": str(setup.tls.certificate) if setup.tls else "",
            "BENCH_KEY": str(setup.tls.key) if setup.tls else "",
        }
        return Launch([str(programs[program].path), *command(setup)], env)

    return launch


def _aiohttp(setup: SetUp) -> list[str]:
    del setup
    return ["-m", f"{APPS}.aiohttp_proxy"]


def _uvicorn(app: str) -> Command:
    def command(setup: SetUp) -> list[str]:
        flags = ["--host", "127.0.0.1", "--port", str(setup.port), "--loop", "uvloop"]
        flags += ["--http", "httptools", "--no-access-log", "--log-level", "error"]
        if setup.tls:
            flags += ["--ssl-certfile", str(setup.tls.certificate)]
            flags += ["--ssl-keyfile", str(setup.tls.key)]
        return ["-m", "uvicorn", f"{APPS}.{app}", *flags]

    return command


def _granian(setup: SetUp) -> list[str]:
    flags = ["--interface", "asgi", "--host", "127.0.0.1", "--port", str(setup.port)]
    flags += ["--loop", "uvloop", "--workers", "1", "--no-access-log", "--log-level", "error"]
    if setup.tls:
        flags += ["--ssl-certificate", str(setup.tls.certificate)]
        flags += ["--ssl-keyfile", str(setup.tls.key)]
    return ["-m", "granian", *flags, f"{APPS}.our_app:app"]


def _hypercorn(setup: SetUp) -> list[str]:
    config = f'keep_alive_max_requests = {2**62}\nworker_class = "uvloop"\nbacklog = 1024\n'
    path = setup.write("hypercorn.toml", config)
    flags = ["--config", str(path), "--bind", f"127.0.0.1:{setup.port}"]
    if setup.tls:
        flags += ["--certfile", str(setup.tls.certificate), "--keyfile", str(setup.tls.key)]
    return ["-m", "hypercorn", *flags, f"{APPS}.our_app:app"]


def _row(
    name: str, package: str, command: Command, can: frozenset[Need], check: str = "SHA-256 of 1,000"
) -> Opponent:
    return Opponent(name, check, True, (package, "python"), python("python", command), can)


OPPONENTS = (
    _row("granian, our app and pool", "granian", _granian, HTTP2, "ours"),
    _row("stock Hypercorn, our app and pool", "hypercorn", _hypercorn, HTTP2, "ours"),
    _row("aiohttp proxy", "aiohttp", _aiohttp, TLS),
    _row("uvicorn + Starlette + httpx2", "httpx2", _uvicorn("starlette_proxy:with_httpx2"), TLS),
    _row("uvicorn + Starlette + httpx", "httpx", _uvicorn("starlette_proxy:with_httpx"), TLS),
)
