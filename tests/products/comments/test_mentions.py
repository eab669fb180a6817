"""Mentions by number: who is meant, under which name, and what becomes of it."""

from __future__ import annotations

from typing import Any

from tests.api.common import ApiCase

COMMENTS = "/api/v1/sites/1/comments"


class MentionTests(ApiCase):
    """Over the API, with the database below."""

    async def setUp(self) -> None:
        await super().setUp()
        self.ann, self.bob = await self.visitor(), await self.visitor()
        self.first = await self.write("Hello.", self.ann, "Ann [x]")
        self.number = int(self.first["author"]["id"])

    async def write(self, text: str, auth: str, name: str = "Bob") -> Any:
        """A comment, as JSON."""
        body = {"channel": {"key": "page"}, "name": name, "text": text}
        answer = await self.ask("POST", COMMENTS, body, authorization=auth)
        self.assertEqual(answer.status, 201, answer)
        return answer.json()["comment"]

    def noted(self) -> list[Any]:
        """Who is mentioned, as the table has it."""
        return self.sql("select comment_id, visitor_id from comment_mention order by 1, 2")

    async def test_named(self) -> None:
        """The name is the one that the visitor has, whatever was sent; a number that nobody has is a name alone."""
        made = await self.write(f"@[The king](visitor:{self.number}) and @[Eve](visitor:77)", self.bob)
        self.assertEqual(made["html"], f'<p><span class="mention-{self.number}">@Ann x</span> and @Eve</p>')
        self.assertEqual(made["source"], f"@[Ann x](visitor:{self.number}) and @Eve")
        self.assertEqual(self.noted(), [(int(made["id"]), self.number)])
        changed = await self.ask("PATCH", f"{COMMENTS}/{made['id']}", {"text": "no"}, authorization=self.bob)
        self.assertEqual((changed.status, self.noted()), (200, []))

    async def test_bounds(self) -> None:
        """Numbers beyond all bounds and many of them are harmless, and another site's visitors are nobody here."""
        self.sql("insert into visitor (site_id, id, name, n_comments) values (2, 4444, 'Far', 1)")
        text = f"@[a](visitor:{10**19 - 1}) @[b](visitor:4444) " + "".join(f"@[c](visitor:{n}) " for n in range(1, 99))
        made = await self.write(text, self.bob)
        self.assertNotIn("mention-", made["html"])

    async def test_follows_name(self) -> None:
        """A person's new name is shown by comments that mention them; open pages hear of it; erasure leaves words."""
        made = await self.write(f"@[x](visitor:{self.number}) hi", self.bob)
        name = "A<b> \\1 & c"
        self.sql("insert into person (site_id, visitor_id, name, skeleton) values (1, %s, %s, 'x')", self.number, name)
        rows = self.sql("select channel, seq from spread_comments(1, %s, 100)", self.number)
        self.assertEqual(len(rows), 2)
        html, source = self.sql("select html, src from comment where id = %s", int(made["id"]))[0]
        self.assertEqual(html, f'<p><span class="mention-{self.number}">@A&lt;b&gt; \\1 &amp; c</span> hi</p>')
        self.assertEqual(source, f"@[A<b> \\1 & c](visitor:{self.number}) hi")
        self.assertEqual(self.sql("select channel, seq from spread_comments(1, %s, 100)", self.number), [])
        rows = self.sql("select channel, seq from erase_mentions(1, %s, 100)", self.number)
        self.assertEqual(len(rows), 1)
        html, source = self.sql("select html, src from comment where id = %s", int(made["id"]))[0]
        self.assertEqual((html, source), ("<p>@A&lt;b&gt; \\1 &amp; c hi</p>", "@A<b> \\1 & c hi"))
        self.assertEqual(self.noted(), [])

    async def test_told(self) -> None:
        """Who is mentioned is told, once, unless they wrote it or blocked its author."""
        number = self.number
        self.sql("insert into follower (site_id, visitor_id, channel_id) values (1, %s, 991)", number)
        made = await self.write(f"@[x](visitor:{number}) @[x](visitor:{number})", self.bob)
        await self.write(f"@[x](visitor:{number}) myself", self.ann, "Ann")
        self.sql("select seen from gather_notices(1000)")
        self.assertEqual(self.sql("select comment_id, reason from notice"), [(int(made["id"]), 4)])
        answer = await self.ask("GET", "/api/v1/sites/1/notices", authorization=self.ann)
        self.assertEqual([one["reason"] for one in answer.json()["notices"]], ["mention"])
