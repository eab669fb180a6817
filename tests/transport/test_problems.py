"""Tests of problem documents and Responses."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport.problems import problem, reason
from cackled.transport.response import Response, json_response


class ProblemTests(SynchronousTestCase):
    """RFC 9457."""

    def test_members(self) -> None:
        """Type, title, status always; detail and extensions when given."""
        response = problem(422, "empty-text", "Empty", "Say something.", field="text")
        self.assertEqual(response.status, 422)
        self.assertEqual(response.header(b"content-type"), b"application/problem+json")
        self.assertEqual(
            msgspec.json.decode(response.body),
            {
                "type": "https://cackle.dev/problems/empty-text",
                "title": "Empty",
                "status": 422,
                "detail": "Say something.",
                "field": "text",
            },
        )

    def test_defaults(self) -> None:
        """The status alone gives a stable type and title, on every version of Python."""
        for status, slug, title in (
            (404, "not-found", "Not Found"),
            (413, "content-too-large", "Content Too Large"),
            (414, "uri-too-long", "URI Too Long"),
            (422, "unprocessable-content", "Unprocessable Content"),
            (431, "request-header-fields-too-large", "Request Header Fields Too Large"),
        ):
            members = msgspec.json.decode(problem(status).body)
            self.assertEqual((members["type"].rpartition("/")[2], members["title"]), (slug, title))
        self.assertEqual(reason(599), "Unknown")

    def test_whole_uri_and_headers(self) -> None:
        """A type that is a URI stays; headers are added; a problem is never microcached or stored."""
        response = problem(429, "about:blank", headers=[(b"Retry-After", b"8")])
        self.assertEqual(response.header(b"Retry-After"), b"8")
        self.assertIn(b"https://x/y", problem(400, "https://x/y").body)
        self.assertIsNone(response.ttl)
        self.assertEqual(response.header(b"cache-control"), b"no-store")


class ResponseTests(SynchronousTestCase):
    """Plain values."""

    def test_json(self) -> None:
        """Values are encoded, JSON text is taken as it is."""
        self.assertEqual(json_response({"a": [1]}).body, b'{"a":[1]}')
        self.assertEqual(json_response(b"[]", ttl=3.0).ttl, 3.0)

    def test_nothing_is_shared(self) -> None:
        """Two Responses have no list in common."""
        Response().headers.append((b"a", b"b"))
        self.assertEqual(Response().headers, [])
        self.assertIsNone(Response().header(b"a"))
