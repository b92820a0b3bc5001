"""Which edge a command acts on, and how: the session that every command is handed.

Named by `--edge`, `--profile` or `--data-dir`, else by the environment, else by the active login,
else the data directory of this machine: its running edge is asked, or its store opened.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from edge.admin import socket as admin_socket
from edge.admin.client import HttpTransport, RemoteOperations, UnixTransport, check_url
from edge.admin.codec import encode
from edge.admin.errors import AdminError
from edge.admin.operations import Operations
from edge.admin.token_operations import TokenOperations
from edge.cli import loading, profiles
from edge.cli.output import Output
from edge.config import ADMIN_SOCKET, Config
from edge.config_loading import ConfigError, load
from edge.version import VERSION

Result = TypeVar("Result")
Store = Literal["open", "create", "scratch"]


@dataclass(slots=True)
class Given:
    """The options that every command takes, as they were given."""

    data_dir: str | None = None
    edge: str | None = None
    profile: str | None = None
    json: bool = False
    no_input: bool = False
    yes: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The edge that a command acts on: one of the three is set.

    Attributes:
        login: a remote edge with its access token.
        edge: a remote edge for which there is no token yet.
        directory: a data directory of this machine.
    """

    login: profiles.Profile | None = None
    edge: str | None = None
    directory: Path | None = None


class Session:
    """One run of the command line."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.given = Given()
        self.environ = os.environ if environ is None else environ
        self.out = Output(self.environ)
        self._opened = ExitStack()

    def close(self) -> None:
        """Let go of what was opened."""
        self._opened.close()

    def operations(self, store: Store = "open") -> Operations:
        """The edge that the command acts on.

        Args:
            store: what to do where no edge runs: `open` its store, `create` it if there is none,
                or use a `scratch` one in its place, which is forgotten.

        Raises:
            AdminError: there is no such edge, no store, or no access token for it.
        """
        found = self._elsewhere()
        if found is not None:
            return found
        opened = loading.load(loading.STORE)(self.config(), VERSION, store)
        self._opened.callback(opened.close)
        return cast(Operations, opened)

    def token_operations(self) -> TokenOperations:
        """As `operations`, for commands that need nothing else and shall start fast."""
        found = self._elsewhere()
        if found is not None:
            return found
        opened = loading.load(loading.TOKENS)(self.config().data_dir, "open")
        self._opened.callback(opened.close)
        return cast(TokenOperations, opened)

    def remote_operations(self, edge: str, token: str) -> RemoteOperations:
        """Those of an edge elsewhere, to which the environment's client certificate is shown."""
        certificate = self.environ.get("JELOU_CLIENT_CERT")
        return RemoteOperations(HttpTransport(edge, token, certificate))

    def target(self) -> Target:
        """Which edge that is, without touching it."""
        given, environ = self.given, self.environ
        if given.edge is not None:
            return self._target_at(check_url(given.edge))
        if given.profile is not None:
            return Target(login=self.logins().named(given.profile))
        if given.data_dir is not None:
            return Target(directory=self.config().data_dir)
        if environ.get("JELOU_EDGE"):
            return self._target_at(check_url(environ["JELOU_EDGE"]))
        active = None if environ.get("JELOU_DATA_DIR") else self.logins().current()
        if active is not None:
            return Target(login=active)
        return Target(directory=self.config().data_dir)

    def config(self) -> Config:
        """What flags and environment say; AdminError with every problem."""
        try:
            return load({"data_dir": self.given.data_dir}, self.environ, None).config
        except ConfigError as error:
            raise AdminError("INPUT_ERROR", str(error)) from None

    def logins(self) -> profiles.Logins:
        """The saved logins."""
        return profiles.load(profiles.location(self.environ))

    def save_logins(self, logins: profiles.Logins) -> None:
        """Keep them."""
        profiles.save(profiles.location(self.environ), logins)

    def show(self, result: Result, lines: Callable[[Result], Iterable[str]]) -> None:
        """Print a result of the operations: as JSON if asked, else as these lines."""
        if self.given.json:
            self.out.json({"ok": True, "data": encode(result)})
        else:
            self.out.lines(lines(result))

    @property
    def interactive(self) -> bool:
        """Whether there is someone to ask."""
        quiet = self.given.no_input or self.given.json
        return not quiet and sys.stdin.isatty() and sys.stdout.isatty()

    def confirm(self, question: str) -> None:
        """Ask, unless `-y` has answered; AdminError without a terminal or if the answer is no."""
        if self.given.yes:
            return
        if not self.interactive:
            raise AdminError("INPUT_ERROR", f"{question} Nobody can be asked here; pass -y for yes")
        if self.ask(f"? {question} (y/N) ").lower() not in ("y", "yes"):
            raise AdminError("INPUT_ERROR", "Nothing was done")

    def ask(self, prompt: str) -> str:
        """The answer to a prompt, stripped."""
        try:
            return input(prompt).strip()
        except EOFError:
            return ""

    def _target_at(self, edge: str) -> Target:
        """A remote edge; the environment's token counts only for the environment's edge."""
        token = self.environ.get("JELOU_TOKEN")
        if token and self.environ.get("JELOU_EDGE"):
            bound_to = check_url(self.environ["JELOU_EDGE"])
            if bound_to == edge:
                return Target(login=profiles.Profile("JELOU_TOKEN", edge, token.strip()))
        login = self.logins().for_edge(edge)
        return Target(login=login) if login is not None else Target(edge=edge)

    def _elsewhere(self) -> Operations | None:
        """The operations of an edge that runs, here or remote; None if a store is to be opened."""
        target = self.target()
        if target.login is not None:
            return self.remote_operations(target.login.edge, target.login.token)
        if target.edge is not None:
            raise AdminError(
                "MISSING_AUTH", f"There is no login for {target.edge}; run: jelou login --edge URL"
            )
        return _running(self.config().data_dir)


def _running(directory: Path) -> Operations | None:
    path = directory / ADMIN_SOCKET
    try:
        admin_socket.connect(path, timeout=5.0).close()
    except admin_socket.NotOurs as error:
        raise AdminError("FORBIDDEN", str(error)) from None
    except PermissionError:
        message = f"{directory} belongs to another user; run as that user, or use --data-dir"
        raise AdminError("FORBIDDEN", message) from None
    except OSError:
        return None
    return RemoteOperations(UnixTransport(path))
