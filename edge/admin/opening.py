"""All operations on a store: put together, for a running edge or for one command."""

import os
from dataclasses import replace

from edge.admin.deploying import Place
from edge.admin.local import LocalOperations
from edge.admin.local_cron import FireNow
from edge.admin.local_status import Looks
from edge.admin.running import Running
from edge.admin.stores import Store, open_database, services, usable
from edge.audit.store import AuditTrail
from edge.code.limits import Limits
from edge.code.store import CodeStore
from edge.config import Config
from edge.cron.signing_secrets import SigningSecrets
from edge.cron.store import CronStore
from edge.registry.sqlite import SqliteRegistry
from edge.running.alone import InProcess
from edge.running.client import Runner
from edge.running.output import Nowhere
from edge.running.protocol import SOCKETS
from edge.running.runs import Runs
from edge.running.sources import sources
from edge.secrets.store import SqliteSecrets
from tokens.database import Database


def open_store(config: Config, version: str, store: Store) -> LocalOperations:
    """The operations on a store that no edge serves.

    Raises:
        AdminError: it is missing, damaged, locked, or not to be written.
    """
    with usable(config.data_dir):
        place = Place(config, config.bind, running=False)
        return assembled(open_database(config.data_dir, store), place, version)


def assembled(
    database: Database,
    place: Place,
    version: str,
    fire_now: FireNow | None = None,
    looks: Looks | None = None,
) -> LocalOperations:
    """The operations on an open store; `fire_now` as for `LocalCron`, `looks` for `LocalStatus`."""
    tokens, access = services(database)
    return LocalOperations(
        database=database,
        registry=SqliteRegistry(database, os.urandom),
        tokens=tokens,
        access=access,
        trail=AuditTrail(database),
        secrets=SqliteSecrets(database),
        cron=CronStore(database, os.urandom, place.config.cron_runs),
        signing=SigningSecrets(database, os.urandom),
        fire_now=fire_now,
        looks=looks or Looks(),
        running=_running(database, place),
        place=place,
        version=version,
    )


def _running(database: Database, place: Place) -> Running:
    """What the operations do with code: through the edge that runs, else for themselves."""
    config = replace(place.config, data_dir=database.path.parent)
    runs: Runs = Runner(config.data_dir / SOCKETS[config.turn])
    if not place.running:
        runs = InProcess(config, sources(config, place.bound, database, lambda _: Nowhere()))
    store = CodeStore(config.data_dir, Limits(config.code_files, config.code_size))
    return Running(config, store, runs, SqliteSecrets(database), place.url)
