"""A client of the daemon, blocking: one call, and a visitor with a session."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class Answer:
    """One answer over HTTP."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def call(url: str, method: str = "GET", body: Any = None, timeout: float = 15.0, **headers: str) -> Answer:
    """Ask; statuses of 400 and above are answers too. Header names are written with ``_`` for ``-``."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=data, method=method, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Visitor:
    """A visitor of one site of a daemon: a session, and the calls a widget makes."""

    def __init__(self, url: str, site: int = 1, name: str = "Ann") -> None:
        self.api = f"{url}/api/v1/sites/{site}"
        self.url = url
        self.site = site
        self.name = name
        given = call(f"{self.api}/sessions", "POST").json()
        self.token, self.id, self.view = given["token"], given["visitor"], given["view"]

    def call(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        """Call the site's API with the session."""
        return call(f"{self.api}{path}", method, body, Authorization=f"Bearer {self.token}", **headers)

    def post(self, key: str, text: str, parent: str | None = None, **headers: str) -> Answer:
        """Write a comment."""
        channel = {"key": key, "url": "http://localhost/page", "title": key}
        body = {"channel": channel, "text": text, "name": self.name, "parent": parent}
        return self.call("/comments", "POST", body, **headers)
