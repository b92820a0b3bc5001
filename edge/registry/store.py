"""What the edge keeps of functions and deployments: the contract of every registry, and its errors.

Not the view of a worker, which holds functions in memory and learns from change rows what to fetch.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from edge.functions import Deployment, DeploymentOrigin, Function, Project, Route

Random = Callable[[int], bytes]
"""Gives that many bytes from a CSPRNG."""

DOCUMENTS_KEPT = 50
"""Deployments that a changed document alone made, kept for one function beside the live one."""

NONE_KNOWN: Mapping[str, Function] = MappingProxyType({})

_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class RegistryError(Exception):
    """A change that cannot be made; the text says what to do."""


class HostTaken(RegistryError):
    """Another function has this custom host.

    Attributes:
        host: the host name.
        slug: the function that has it.
    """

    def __init__(self, host: str, slug: str) -> None:
        super().__init__(
            f"The host {host} belongs to the function {slug}; "
            f"remove it from one of the two project files."
        )
        self.host = host
        self.slug = slug


class UnknownFunction(RegistryError):
    """There is no live function with this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no function {slug}; see: jelou functions list")
        self.slug = slug


class UnknownDeployment(RegistryError):
    """The function has no such deployment, or none before the live one."""

    def __init__(self, slug: str, id_: str | None) -> None:
        what = f"no deployment {id_}" if id_ else "no deployment before the live one"
        super().__init__(f"{slug} has {what}; see: jelou deployments list {slug}")
        self.slug = slug
        self.id = id_


class UnreadableDeployment(RegistryError):
    """What is stored of a deployment is not what this version of the edge writes."""

    def __init__(self, slug: str, id_: str, why: str) -> None:
        super().__init__(
            f"The stored deployment {id_} of {slug} cannot be read ({why}); "
            f"deploy {slug} anew, or delete it: jelou functions delete {slug}"
        )


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deploy did.

    Attributes:
        deployment: the one that is live now.
        first: whether the function did not exist before.
        changed: False if the live deployment was equal already, and nothing was made.
    """

    deployment: Deployment
    first: bool
    changed: bool


class Registry(Protocol):
    """Functions, and the immutable deployments that they are made of. Every call may block.

    Each change of what is live leaves a change row `("function", slug)` in the same transaction,
    so that every worker has it before the call returns. All is joined to a transaction that the
    caller has already begun in the same thread.
    """

    def function(self, slug: str) -> Function | None:
        """The live function with this slug."""
        ...

    def functions(self, known: Mapping[str, Function] = NONE_KNOWN) -> list[Function]:
        """Every live function, by slug.

        Args:
            known: functions by slug, as they were once; one that is still the same is given back
                as it is, rather than read.
        """
        ...

    def count(self) -> int:
        """How many live functions there are."""
        ...

    def by_host(self, host: str) -> Function | None:
        """The live function with this custom host (lower case, without port or trailing dot)."""
        ...

    def deploy(
        self,
        project: Project,
        document: bytes | None,
        routes: tuple[Route, ...],
        origin: DeploymentOrigin,
        now: float,
        code: str = "",
        id_: str = "",
    ) -> Deployed:
        """Make a project and its document live, unless they are already.

        Equal are project texts, documents and code, byte for byte; then nothing is written. Hosts
        are the live deployments' alone: the function's former ones are free at once.

        Args:
            now: Unix time, seconds.
            code: the digest of the project's files where the edge runs them, else empty.
            id_: what the deployment shall be called, by `deployment_id`; another is made up where
                it is empty or taken.

        Raises:
            HostTaken: another live function has one of the hosts; nothing is written.
        """
        ...

    def deployments(self, slug: str) -> list[Deployment]:
        """The deployments of a function, the newest first; none if there is no such function."""
        ...

    def deployment(self, slug: str, id_: str) -> Deployment | None:
        """One deployment of a live function."""
        ...

    def predecessor(self, slug: str) -> Deployment | None:
        """What a rollback without an id makes live."""
        ...

    def prune(self, slug: str, kept: int) -> None:
        """Forget all but the newest deployments that a deploy has made.

        The live one and its predecessor are kept beside them.
        """
        ...

    def codes(self) -> set[str]:
        """The digests of the code of all deployments."""
        ...

    def document(self, id_: str) -> bytes | None:
        """The OpenAPI document of a deployment, as it was fetched.

        None if it has none, or if there is no such deployment any more.
        """
        ...

    def rollback(self, slug: str, id_: str | None, now: float) -> Deployment:
        """Make a former deployment live again: the one named, or what the live one took over from.

        Naming the live one changes nothing.

        Returns:
            The deployment that is live now, the same as it was when it was made.

        Raises:
            UnknownFunction: there is no such function.
            UnknownDeployment: it has no such deployment, or none before the live one.
            HostTaken: another function has got one of its hosts since.
        """
        ...

    def delete(self, slug: str) -> bool:
        """Forget a function with all its deployments; its slug and its hosts are free again.

        A function deployed later under the same slug never gets them back.

        Returns:
            Whether there was one.
        """
        ...


def same(known: Function | None, live: str, since: float) -> bool:
    """Whether a function is still as it is known: its live deployment, and since when."""
    return known is not None and (known.live.id, known.since) == (live, since)


def digest(project: Project, document: bytes | None, code: str = "") -> str:
    """SHA-256 (hex) of project text, code and document, each set apart from the others."""
    text = project.text.encode() + (b"\n" + code.encode() if code else b"")
    told = b"none" if document is None else b"some" + document
    return hashlib.sha256(b"%d:%s%s" % (len(text), text, told)).hexdigest()


def deployment_id(random: Random) -> str:
    """`dep_` and eight characters of `0-9a-z`, each equally likely."""
    number = int.from_bytes(random(16), "big")
    characters = []
    for _ in range(8):
        number, index = divmod(number, len(_ID_ALPHABET))
        characters.append(_ID_ALPHABET[index])
    return "dep_" + "".join(characters)
