"""What a contender is: a name, a token check, and how it is started for a given set-up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Need = Literal["tls", "h2", "workers"]
TLS: frozenset[Need] = frozenset({"tls"})
HTTP2: frozenset[Need] = frozenset({"tls", "h2"})
EVERYTHING: frozenset[Need] = frozenset({"tls", "h2", "workers"})
"""What contenders can be measured in beyond plain HTTP/1.1 with one worker."""

REFUSAL = '{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
"""The body of a 401, the same for all that can choose it."""

Era = Literal["stateless", "session"]
STATELESS = "2026-07-28"
HANDSHAKE = "2025-11-25"
"""The revisions of MCP that the load speaks, where a contender has them."""

USED = 8
"""How many of the known tokens the load uses: as many callers as there are."""


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate, PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class SetUp:
    """What one start of a contender is to do.

    Attributes:
        folder: its own; it may write there.
        port: where it listens, on 127.0.0.1.
        upstream: the port of the function, on 127.0.0.1.
        tokens: the known ones; the load uses the first `USED`.
        digests: SHA-256 of each, lower-case hex.
        store: a data directory of ours that knows the same tokens.
        workers: processes, or threads where that is its way.
        tools: how many operations the function has; 0 where it is measured without MCP.
    """

    folder: Path
    port: int
    upstream: int
    tokens: Sequence[str] = field(repr=False)
    digests: Sequence[str] = field(repr=False)
    store: Path
    tls: Tls | None = None
    workers: int = 1
    tools: int = 0

    @property
    def document(self) -> Path:
        """The OpenAPI document of the function, which is there if it has tools."""
        return self.folder / "openapi.json"

    def write(self, name: str, text: str) -> Path:
        """Write a file of its configuration."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path


@dataclass(frozen=True, slots=True)
class Program:
    """An installed program, and what it needs in its environment."""

    path: Path
    version: str
    env: Mapping[str, str] = field(default_factory=dict)


Programs = Mapping[str, Program]
"""What could be found or installed, by name."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command line and its environment beyond the usual."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a contender speaks MCP, and how a call is to look there.

    Attributes:
        fields: header fields that carry a good token.
        refused: the same fields with a bad one.
        tool: what the operation that is called is named there.
        nested: whether the properties of the body are given in one argument, `body`.
        refusals: the statuses that a bad token may be answered with.
    """

    path: str
    fields: Mapping[str, str] = field(repr=False)
    refused: Mapping[str, str] = field(repr=False)
    tool: str
    nested: bool = False
    refusals: frozenset[int] = frozenset({401})


@dataclass(frozen=True, slots=True)
class Mcp:
    """How a contender speaks MCP.

    Attributes:
        endpoint: called once it listens; tells it of the tools where that is done over HTTP.
        sessions: whether it issues session ids.
        stateless: the revision of the scenarios without a session: the newest that it has.
    """

    endpoint: Callable[[SetUp, Programs], Endpoint]
    sessions: bool = True
    stateless: str = STATELESS

    def revision(self, era: Era) -> str:
        """The revision that it is spoken to in."""
        return self.stateless if era == "stateless" else HANDSHAKE

    def in_session(self, era: Era) -> bool:
        """Whether requests of this era carry the id of a session."""
        return self.sessions and self.revision(era) == HANDSHAKE

    def spoken(self, era: Era) -> str:
        """Revision and session, in a few words."""
        without = self.revision(era) == HANDSHAKE and not self.sessions
        return f"{self.revision(era)}{', issues no session' if without else ''}"


@dataclass(frozen=True, slots=True)
class Opponent:
    """One row of the benchmark.

    Attributes:
        name: as tables show it.
        check: how it checks a token, in a few words.
        equal: whether that is what we do: SHA-256 of the token among 1,000 digests.
        programs: what has to be installed; the first one's version is shown.
        launch: writes its files and says how it is started.
        can: what else it can be measured in.
        ours: whether it is the edge itself.
        mcp: how it speaks MCP; it is measured in that alone.
    """

    name: str
    check: str
    equal: bool
    programs: tuple[str, ...]
    launch: Callable[[SetUp, Programs], Launch]
    can: frozenset[Need] = frozenset()
    ours: bool = False
    mcp: Mcp | None = None
