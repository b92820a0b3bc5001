"""Somebody at the console with a browser of bytes: its cookies, its forms, how it asks."""

import http.client
import re
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urlencode


class Seen(NamedTuple):
    """An answer; names of fields are in lower case."""

    status: int
    fields: Mapping[str, str]
    text: str


@dataclass
class Visitor:
    """A browser at an address.

    Attributes:
        tls: whom it trusts; None for no TLS.
    """

    netloc: str
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    tls: ssl.SSLContext | None = None

    def ask(
        self,
        path: str,
        method: str = "GET",
        form: Mapping[str, str] | bytes | None = None,
        **fields: str,
    ) -> Seen:
        """One request, as a browser sends it for the console's own pages, and what came."""
        told = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        if self.cookies:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = form if isinstance(form, bytes) else None
        if form is not None:
            told |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
            body = body or urlencode(form).encode()
        told |= {name.replace("_", "-"): value for name, value in fields.items()}
        told = {name: value for name, value in told.items() if value}
        with closing(self._connection()) as connection:
            connection.request(method, path, body, told)
            response = connection.getresponse()
            text = response.read().decode()
        found = {name.lower(): value for name, value in response.getheaders()}
        self._keep(found.get("set-cookie", ""))
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
        self.csrf = token[1] if token else self.csrf
        return Seen(response.status, found, text)

    def get(self, path: str, **fields: str) -> Seen:
        """A page."""
        return self.ask(path, **fields)

    def post(self, path: str, /, **form: str) -> Seen:
        """A form of the console's, filled in."""
        return self.ask(path, "POST", {"csrf": self.csrf, **form})

    def sign_in(self, token: str) -> Seen:
        """Sign in, and look at the first page."""
        answer = self.post("/admin/console/sign-in", token=token)
        if answer.status == 303:
            self.get("/admin/console/")
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.netloc, timeout=20)
        return http.client.HTTPSConnection(self.netloc, timeout=20, context=self.tls)

    def _keep(self, field: str) -> None:
        name, _, rest = field.partition("=")
        value = rest.partition(";")[0]
        if value:
            self.cookies[name] = value
        elif name:
            self.cookies.pop(name, None)


class Elements(HTMLParser):
    """A page's elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        self.text += data
