"""A store that grows: so many functions with documents, so many tokens, through its own API.

Not here: what is measured on it (`store`, `store_worker`).
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from edge.project_file import catalogs
from edge.project_file.parse import parse_project
from edge.registry.sqlite import SqliteRegistry
from tokens.database import Database
from tokens.model import Token
from tokens.names import new_id
from tokens.secret import RUNTIME, checksum, digest
from tokens.sqlite import SqliteTokens

AT_ONCE = 10_000
"""Rows written in one transaction."""

TINY = "tiny"
"""A function that has ten tokens, however many the store has."""

TINY_TOKENS = 10


@dataclass
class Growing:
    """A store under construction.

    Attributes:
        upstream: where its functions listen; nobody needs to, unless they are called.
    """

    directory: Path
    upstream: str = "http://127.0.0.1:9"
    functions: int = 0
    tokens: int = 0
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        """Open or create it, with one function of ten tokens."""
        self.database = Database.open(self.directory, create=True)
        self._registry = SqliteRegistry(self.database, os.urandom)
        self._tokens = SqliteTokens(self.database)
        self._deploy(TINY, ())
        with self.database.write():
            for number in range(TINY_TOKENS):
                self._add(TINY, f"tiny-{number}")

    def grow(self, functions: int, tokens: int) -> None:
        """Bring it to at least so many functions and tokens, the ten of TINY apart."""
        while self.functions < functions:
            with self.database.write():
                for _ in range(min(AT_ONCE, functions - self.functions)):
                    number = self.functions
                    hosts = (f"api-{number}.shop.example",) if number % 10 == 0 else ()
                    self._deploy(slug(number), hosts)
                    self.functions += 1
        while self.tokens < tokens:
            with self.database.write():
                for _ in range(min(AT_ONCE, tokens - self.tokens)):
                    self._add(slug(self.tokens % self.functions), f"token-{self.tokens}")
                    self.tokens += 1

    def close(self) -> None:
        """Close it."""
        self.database.close()

    def _deploy(self, name: str, hosts: tuple[str, ...]) -> None:
        file = {
            "function": name,
            "description": f"What {name} does, in a sentence of the usual length.",
            "upstream": self.upstream,
            "hosts": list(hosts),
            "config": {"timeout": 20_000, "cors": {"origin": "https://app.example"}},
        }
        project = parse_project(json.dumps(file)).project
        assert project is not None
        document = document_of(name)
        routes = catalogs.routes(project, catalogs.catalog(project, document))
        self._registry.deploy(project, document, routes, "deploy", self.database.clock())

    def _add(self, function: str, name: str) -> None:
        token_id = new_id("tok_", os.urandom)
        text = secret_of(name)
        token = Token(token_id, function, name, text[7:11], self.database.clock(), token_id)
        self._tokens.add(digest(text), token)


def slug(number: int) -> str:
    """The slug of a function."""
    return f"function-{number:05}"


def secret_of(name: str) -> str:
    """The secret of the token of this name: no real one is, but a measurement has to know it."""
    body = RUNTIME + name.replace("-", "0").rjust(32, "0")
    return body + checksum(body.encode())


def document_of(name: str) -> bytes:
    """An OpenAPI document of four operations, some 4 KB."""
    item = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {
            "id": {"type": "integer", "description": "The number under which it is kept."},
            "name": {"type": "string", "maxLength": 200, "description": "What people call it."},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
            "price": {"type": "number", "minimum": 0, "description": "In the shop's currency."},
        },
    }
    answer = {"description": "ok", "content": {"application/json": {"schema": item}}}
    number = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    body = {"required": True, "content": {"application/json": {"schema": item}}}
    paths = {
        "/items": {
            "get": _operation("listItems", "Lists the items, newest first", answer),
            "post": {**_operation("addItem", "Adds an item", answer), "requestBody": body},
        },
        "/items/{id}": {
            "parameters": [number],
            "get": _operation("getItem", "Finds an item by its number", answer),
            "put": {**_operation("changeItem", "Changes an item", answer), "requestBody": body},
        },
    }
    info = {"title": name, "version": "1.0.0", "description": "A function of the usual size."}
    return json.dumps({"openapi": "3.1.0", "info": info, "paths": paths}, indent=1).encode()


def _operation(name: str, summary: str, answer: object) -> dict[str, object]:
    return {"operationId": name, "summary": summary, "responses": {"200": answer}}
