"""SIGKILL amid writes, at random points: the store opens, and has all that was acknowledged."""

import os
import random
import signal
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.admin.backing_up import back_up
from edge.admin.client import RemoteOperations
from edge.admin.errors import AdminError
from edge.admin.opening import open_store
from edge.admin.operations import DeployRequest
from edge.config import Config
from edge.secrets.store import SqliteSecrets
from tests.support.store_writer import PROJECT, SLUG, StoreWriter
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually, is_alive
from tokens.database import FILE, Database

SEED = 20260729


@dataclass
class Promises:
    """What was acknowledged: the state of each token, the last secret, the last deploy.

    Attributes:
        tried: what was under way when a writer was killed, so that it may be either way.
    """

    tokens: dict[str, str] = field(default_factory=dict)
    secret: str = ""
    deployed: str = ""
    tried: list[tuple[str, str]] = field(default_factory=list)
    _trying: tuple[str, str] | None = None

    def hear(self, *words: str) -> None:
        """Take a line of a writer."""
        match words:
            case ["try", what, about]:
                self._trying = what, about
            case ["done", "secret", name]:
                self.secret, self._trying = name, None
            case ["done", "deployed", name]:
                self.deployed, self._trying = name, None
            case ["done", state, token]:
                self.tokens[token], self._trying = state, None

    def cut(self) -> None:
        """The writer was killed."""
        if self._trying is not None:
            self.tried.append(self._trying)
        self._trying = None

    def may_be(self, token: str) -> set[str]:
        """What a token may be now."""
        undecided = {about for what, about in self.tried if what in ("revoke", "rotate")}
        ended = {"revoked", "expired"} if token in undecided else set()
        return {self.tokens[token], *ended}


def check(config: Config, promises: Promises) -> None:
    """All that was acknowledged is so, and nothing is half made."""
    with closing(open_store(config, "1", "open")) as operations:
        for token in promises.tokens:
            found = operations.check_token(token)
            state = "good" if found.valid else found.reason
            assert state in promises.may_be(token), token[:11]
        description = operations.function(SLUG).description
        assert description == promises.deployed or ("deploy", description) in promises.tried
        assert operations.verify_audit().intact
    with closing(Database.open(config.data_dir)) as database:
        assert database.rows("PRAGMA integrity_check") == [("ok",)]
        counted = (
            "SELECT (SELECT count(*) FROM tokens), (SELECT count(*) FROM audit WHERE"
            " record ->> '$.event' IN ('token.created', 'token.rotated'))"
        )
        [(tokens, records)] = database.rows(counted)
        assert tokens == records, "a token without its record, or a record without its token"


@pytest.mark.parametrize("kills", [15, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_nothing_that_was_acknowledged_is_lost_to_kills_amid_writes(
    tmp_path: Path, kills: int
) -> None:
    config = Config(data_dir=tmp_path / "data")
    with closing(open_store(config, "1", "create")) as operations:
        made = operations.deploy(DeployRequest(project=PROJECT % "first"))
    promises, dice = Promises(deployed="first"), random.Random(SEED)
    promises.tokens[str(made.token)] = "good"
    with StoreWriter(config.data_dir) as writer:
        for number in range(kills):
            pid = writer.start()
            for _ in range(dice.randrange(40)):  # 0: while it opens the store
                promises.hear(*writer.hear())
            time.sleep(dice.random() * 0.004)
            os.kill(pid, signal.SIGKILL)
            while (words := writer.hear()) != ["ended"]:
                promises.hear(*words)
            promises.cut()
            if number % 20 == 0:
                check(config, promises)
    check(config, promises)
    assert len(promises.tried) > kills // 4, "the kills came amid writes"


@pytest.mark.parametrize("kills", [15, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_a_restore_that_is_killed_leaves_the_former_store_or_the_new_one(
    tmp_path: Path, kills: int
) -> None:
    """Either answers with its own secrets; what was revoked is revoked in both."""
    config, file = Config(data_dir=tmp_path / "data"), tmp_path / "backup.tar"
    with closing(open_store(config, "1", "create")) as operations:
        operations.deploy(DeployRequest(project=PROJECT % "backed up"))
        operations.set_secrets(SLUG, {"KEY": "backed up"})
        revoked = operations.create_token(SLUG, "revoked").token
    back_up(config.data_dir, file, "1")
    dice, seen = random.Random(SEED), set()
    with StoreWriter(config.data_dir, file, module="tests.support.restorer") as restorer:
        restorer.start()
        begun = time.monotonic()
        assert [restorer.hear(), restorer.hear()] == [["restored"], ["ended"]]
        longest = 1.2 * (time.monotonic() - begun)
        for number in range(kills):
            name = f"since {number}"
            with closing(open_store(config, "1", "open")) as operations:
                if operations.check_token(revoked).reason != "revoked":
                    operations.revoke_token(SLUG, "revoked")
                operations.deploy(DeployRequest(project=PROJECT % name))
            pid = restorer.start()
            time.sleep(dice.random() * longest)
            with suppress(ProcessLookupError):  # it was faster
                os.kill(pid, signal.SIGKILL)
            while restorer.hear() != ["ended"]:
                continue
            with closing(open_store(config, "1", "open")) as operations:
                found = operations.function(SLUG).description
                assert found in {name, "backed up"}
                assert operations.check_token(revoked).reason == "revoked"
                assert operations.verify_audit().intact
            with closing(Database.open(config.data_dir)) as database:
                assert SqliteSecrets(database).of(SLUG) == {"KEY": "backed up"}
                assert database.rows("PRAGMA integrity_check") == [("ok",)]
            for former in config.data_dir.glob(f"{FILE}.replaced-*"):
                former.unlink()
            seen.add(found == name)
    assert True in seen, "some kills came before the store was replaced"


@dataclass
class Managers:
    """Two who make and revoke tokens through an edge until it is killed.

    Attributes:
        live, revoked: what was acknowledged.
    """

    live: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)

    def start(self, edge: Edge, prefix: str) -> list[threading.Thread]:
        """Begin; the threads end with the edge."""
        threads = [
            threading.Thread(target=self._manage, args=(edge.operations, f"{prefix}-{one}"))
            for one in range(2)
        ]
        for thread in threads:
            thread.start()
        return threads

    def check(self, edge: Edge) -> None:
        """Every worker knows what was acknowledged, the last fifty of a kind."""
        with edge.caller_of_each_worker() as callers:
            for caller in callers.values():
                for secrets, status in ((self.live, 200), (self.revoked, 401)):
                    for secret in secrets[-50:]:
                        assert caller.ask(f"/{SLUG}/hello", secret).status == status
        assert edge.operations.verify_audit().intact

    def _manage(self, operations: RemoteOperations, prefix: str) -> None:
        with suppress(AdminError):  # the edge was killed
            for number in range(10_000):
                made = operations.create_token(SLUG, f"{prefix}-{number}")
                if number % 2:
                    operations.revoke_token(SLUG, made.id)
                    self.revoked.append(made.token)
                else:
                    self.live.append(made.token)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [12])
@pytest.mark.timeout(300)
def test_an_edge_that_is_killed_with_all_its_workers_amid_writes_has_all_it_acknowledged(
    tmp_path: Path, origin: Function, kills: int
) -> None:
    managers, dice = Managers(), random.Random(SEED)
    for number in range(kills + 1):
        with serving(tmp_path / "data", workers=2) as edge:
            if number == 0:
                managers.live.append(str(edge.deploy(SLUG, origin.url).token))
            managers.check(edge)
            threads = managers.start(edge, str(number))
            time.sleep(0.2 + dice.random())
            workers = edge.workers
            for pid in (edge.pid, *workers):
                os.kill(pid, signal.SIGKILL)
            for thread in threads:
                thread.join(20)
            wait_for_the_end(workers)
    assert len(managers.live) > kills


def wait_for_the_end(pids: list[int]) -> None:
    eventually(lambda: not any(map(is_alive, pids)), "the processes have ended")
