"""What can be done to an edge: one Protocol, and the values it takes and gives. Pure.

The docstrings are the contract; `local.py` fulfils it on the store, `client.py` over HTTP. Field
names become the JSON keys of the management API and of `--json`, in camelCase. Every method raises
`AdminError`, and then has changed nothing.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.admin.audit_operations import AuditOperations
from edge.admin.code_operations import CodeOperations, RunInfo
from edge.admin.cron_operations import CronOperations
from edge.admin.log_operations import LogOperations
from edge.admin.observed_operations import ObservedOperations
from edge.admin.secret_operations import SecretOperations
from edge.admin.status_operations import StatusOperations
from edge.admin.times import Time
from edge.admin.token_operations import TokenOperations
from mcp_bridge.tool_changes import ToolChanges


@dataclass(frozen=True, slots=True)
class EdgeInfo:
    """The edge that answers.

    Attributes:
        url: the base of every address that it publishes.
        running: whether an edge serves this store now.
        functions: how many functions are deployed.
        code_files, code_size: how many files and bytes the code of a function may have.
    """

    url: str
    version: str
    running: bool
    functions: int
    code_files: int
    code_size: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the edge takes the caller for.

    Attributes:
        type: `local` for the owner of the data directory, `access_token` for a remote caller.
        name: the user's or the access token's name.
        edge: the edge's base URL.
    """

    type: str
    name: str
    edge: str


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """One tool as `/mcp` shows it to an unscoped token."""

    name: str
    description: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """What to deploy: a project file, or the address of a function that has none.

    Attributes:
        project: the project file's text, or None.
        base: the project's directory on the edge's machine, which files named in the project are
            relative to; empty if it is elsewhere.
        document: the text of the OpenAPI file that the project names (`./file`), or None.
        url: the function's address where there is no project file, or None.
        slug: its name, or None to derive one from the address.
        dry_run: check and fetch everything, change nothing.
        code: the digest of its files, as `put_code` gave it, where the edge runs it.
        create_token: whether a first deploy creates the token `default`.
        expect_tools: the digest that the tools must have, or None to take any.
    """

    project: str | None = None
    base: str = ""
    document: str | None = None
    url: str | None = None
    slug: str | None = None
    dry_run: bool = False
    create_token: bool = True
    expect_tools: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class DeployResult:
    """What a deploy did.

    Attributes:
        id: of the live deployment; None after a dry run of something new.
        changed: False if what is live already equals what was sent.
        first: whether it made the function; after a dry run, whether a deploy would.
        mcp_url: None where `config.mcp` is false.
        tool_changes: what differs for agents from what was live when the deploy began.
        tools_digest: of what agents see of the tools (`mcp_bridge.tool_changes`), or None where
            they are those of an MCP server upstream, which the edge does not know.
        token: the secret of the token `default`, only where it was created just now.
        example: a call to try: method, URL and headers as one `curl` command, or None.
        project: the project file as it is deployed.
        warnings: what works less well than one would expect, and why.
        running: whether an edge serves this store now.
    """

    id: str | None
    function: str
    url: str
    mcp_url: str | None
    tools: tuple[ToolInfo, ...]
    tool_changes: ToolChanges
    tools_digest: str | None
    changed: bool
    first: bool
    created: Time | None
    dry_run: bool
    running: bool
    warnings: tuple[str, ...]
    project: dict[str, Any] = field(repr=False)
    example: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """A function and what answers for it.

    Attributes:
        deployment: id of the live deployment.
        deployed: when that was made.
        upstream: its addresses.
        tokens: how many live tokens are its own.
        tools_digest: as in `DeployResult`.
        run: how the edge runs it, or None if it does not.
        code: the digest of its code then.
    """

    slug: str
    description: str
    url: str
    mcp_url: str | None
    hosts: tuple[str, ...]
    upstream: tuple[str, ...]
    public: bool
    deployment: str
    created: Time
    deployed: Time
    tokens: int
    tools: tuple[ToolInfo, ...]
    tools_digest: str | None
    warnings: tuple[str, ...]
    run: RunInfo | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionSummary:
    """A function in a list."""

    slug: str
    description: str
    url: str
    deployment: str
    public: bool
    created: Time
    deployed: Time


@dataclass(frozen=True, slots=True)
class DeploymentInfo:
    """A version of a function.

    Attributes:
        origin: `deploy` or `document`.
        live: whether it is the one that answers.
        digest: SHA-256 in hex of project file, code and document.
        document_bytes: size of its OpenAPI document, or None if it has none.
        code: the digest of its code, or None if the edge does not run it.
    """

    id: str
    function: str
    created: Time
    origin: str
    live: bool
    digest: str
    upstream: tuple[str, ...]
    document_bytes: int | None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFiles:
    """What a deployment was made from.

    Attributes:
        project: the project file as canonical JSON text.
        document: the OpenAPI document's text, or None.
        code: the digest of its code, which `download_code` has; or None.
    """

    id: str
    function: str
    project: str
    document: str | None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback made live; `id`, `code` and `warnings` apart as in a `DeployResult`.

    Attributes:
        code: the digest of its code, or None if the edge does not run it.
        warnings: what went less well than one would expect.
    """

    id: str
    function: str
    url: str
    mcp_url: str | None
    tool_changes: ToolChanges
    tools_digest: str | None
    code: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deleted:
    """A function that is gone, and how many of its tokens went with it."""

    function: str
    tokens: int


class Operations(
    CodeOperations,
    TokenOperations,
    SecretOperations,
    CronOperations,
    LogOperations,
    AuditOperations,
    StatusOperations,
    ObservedOperations,
    Protocol,
):
    """Managing one edge. Synchronous; safe to call from several threads."""

    def info(self) -> EdgeInfo:
        """The edge itself."""
        ...

    def whoami(self) -> Identity:
        """Who the caller is to this edge."""
        ...

    def deploy(self, request: DeployRequest) -> DeployResult:
        """Make a deployment live, unless what is live equals it already.

        A first deploy and its token `default` are one transaction. A document that cannot be had
        or read is a warning: the function is deployed, and keeps the document it had.

        Raises:
            AdminError: VALIDATION_ERROR with every problem of the project file and its line, or a
                host that another function has; INPUT_ERROR for a bad address, name or digest;
                TOOLS_CHANGED if the tools are not the expected ones. VALIDATION_ERROR too, with its
                last output, for code that cannot be installed, built or started.
        """
        ...

    def functions(self) -> tuple[FunctionSummary, ...]:
        """Every function, by slug."""
        ...

    def function(self, slug: str) -> FunctionInfo:
        """One function; NOT_FOUND if there is none."""
        ...

    def delete_function(self, slug: str) -> Deleted:
        """Delete a function and end its tokens for good; NOT_FOUND if there is none."""
        ...

    def deployments(self, slug: str) -> tuple[DeploymentInfo, ...]:
        """A function's versions, newest first; NOT_FOUND if there is no function."""
        ...

    def deployment(self, slug: str, id: str) -> DeploymentInfo:  # noqa: A002
        """One version; NOT_FOUND if there is none."""
        ...

    def download(self, slug: str, id: str) -> DeploymentFiles:  # noqa: A002
        """The files of one version; NOT_FOUND if there is none."""
        ...

    def rollback(self, slug: str, id: str | None = None) -> RolledBack:  # noqa: A002
        """Make an earlier version answer again; without an id the one before the live one.

        Raises:
            AdminError: NOT_FOUND for the function or the version, VALIDATION_ERROR if there is no
                earlier one, a host of it has gone to another function, or its code does not start.
        """
        ...
