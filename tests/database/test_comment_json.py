"""A comment's JSON, made by the database: valid whatever was written, and of the promised shape."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import TestCase

from cackled.database.testing import fresh_dsn, server

HARD = [
    'a"b', "back\\slash", "line\nend\ttab", "\u2028\u2029", "\x01\x1f\x7f", "Жанна 🙂 \U0010ffff", "</script>", "",
    "''%s{}",
]  # fmt: skip
MEMBERS = [
    "id", "parent", "root", "depth", "author", "html", "created", "edited", "up", "down", "score", "deleted",
]  # fmt: skip


class JsonTests(TestCase):
    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self)
        self.name = self.dsn.split("dbname=")[1].split()[0]

    def sql(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return server().execute(sql, *args, database=self.name)

    def test_any_text(self) -> None:
        """Names and texts with everything that JSON has to write otherwise come back as they were."""
        for number, text in enumerate(HARD):
            self.sql(
                "insert into comment (id, site_id, channel_id, parent_id, root_id, visitor_id, depth, author_name, "
                "src, html, up, down, created_at) values (%s, 1, 5, %s, 9223372036854775807, 8, 1, %s, 's', %s, 3, 5, "
                "'2026-11-21 10:00:00.1239+00')",
                number + 1, number or None, text, text,
            )
        rows = [json.loads(row[0]) for row in self.sql("select comment_json(c) from comment c order by id")]
        self.assertEqual([(row["author"]["name"], row["html"]) for row in rows], [(text, text) for text in HARD])
        self.assertEqual(list(rows[1]), MEMBERS)
        self.assertEqual(rows[1] | {"html": "", "author": None}, {
            "id": "2", "parent": "1", "root": "9223372036854775807", "depth": 1, "author": None, "html": "",
            "created": "2026-11-21T10:00:00.123Z", "edited": None, "up": 3, "down": 5, "score": -2, "deleted": False,
        })  # fmt: skip
        self.assertEqual(rows[1]["author"], {"id": "8", "name": HARD[1], "avatar": None})
        self.assertIs(rows[0]["parent"], None)

    def test_deleted_and_edited(self) -> None:
        """What is deleted shows neither author nor text; an edit shows when."""
        self.sql(
            "insert into comment (id, site_id, channel_id, root_id, visitor_id, depth, author_name, src, html, status, "
            "edited_at) values (1, 1, 5, 1, 8, 0, 'Ann', 's', '<p>s</p>', 4, '2026-01-02 03:04:05+00')"
        )
        row = json.loads(self.sql("select comment_json(c) from comment c")[0][0])
        self.assertEqual((row["author"], row["html"], row["deleted"]), (None, "", True))
        self.assertEqual(row["edited"], "2026-01-02T03:04:05.000Z")
