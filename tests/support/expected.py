"""What the contract fixes literally, for tests that look at answers: the one 401, a document."""

from tests.support.http1_client import Answer

EXACT = b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "http://inside.example/"}],
    "paths": {
        "/orders/{id}": {
            "get": {
                "operationId": "getOrder",
                "description": "One order.",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "responses": {"200": {"description": "It."}},
            }
        }
    },
}


def is_exact_401(answer: Answer, realm: str = "shop") -> None:
    """The one 401."""
    assert (answer.status, answer.body) == (401, EXACT)
    assert answer.one("content-type") == "application/json"
    assert answer.one("www-authenticate") == f'JelouToken realm="{realm}"'
    assert answer.one("cache-control") == "no-store"
    assert answer.whole
