"""What a worker has open of the data directory: constructor calls, nothing else."""

import os
import time
from dataclasses import dataclass

from edge.config import Config
from edge.keys import KeyFile
from edge.registry.sqlite import SqliteRegistry
from edge.secrets.store import SqliteSecrets
from edge.state.ended_sessions import StoredEndedSessions
from edge.state.kept import edge_id, sealing_keys, session_keys
from edge.state.rate_table import FILE as RATES
from edge.state.rate_table import RateTable
from edge.state.rates import Rates
from edge.state.source import StoreSource
from tokens.database import Database
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens


@dataclass(frozen=True, slots=True)
class Store:
    """What the data directory holds, opened.

    Attributes:
        name: the edge's id in `Via`.
    """

    database: Database
    source: StoreSource
    tokens: TokenService
    ended: StoredEndedSessions
    keys: KeyFile
    sealing: KeyFile
    rates: Rates
    name: str


def open_store(config: Config) -> Store:
    """Open everything that the data directory holds, making what is not there.

    Raises:
        StoreError: the store cannot be used; the text says what to do.
    """
    database = Database.open(config.data_dir, create=True)
    tokens = SqliteTokens(database)
    registry = SqliteRegistry(database, os.urandom)
    return Store(
        database=database,
        source=StoreSource(database, registry, tokens, SqliteSecrets(database)),
        tokens=TokenService(tokens, database.clock, os.urandom),
        ended=StoredEndedSessions(database, database.clock),
        keys=session_keys(config.data_dir, os.urandom),
        sealing=sealing_keys(config.data_dir, os.urandom),
        rates=Rates(RateTable(config.data_dir / RATES), time.monotonic_ns),
        name=edge_id(config.data_dir, os.urandom),
    )
