"""Invitations: what was shown, opened and begun, by text; only what the site has is counted."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in


class InvitationTests(ChatCase):
    """One invitation with two texts, one with a single text."""

    async def test_figures(self) -> None:
        """Each text is counted; a start that is sent again counts once; what the site has not is not kept."""
        admin = await sign_in(self, "admin")
        rules = [{"id": "r1", "text": "First", "other": "=Second"}, {"id": "r2", "text": "Alone", "name": "Two"}]
        answer = await admin.change("PUT", f"{CHATS}/setup", {"invitations": rules})
        self.assertEqual(answer.status, 200, answer)
        for rule, variant, what in (
            ("r1", "a", "shown"), ("r1", "a", "shown"), ("r1", "b", "shown"), ("r1", "b", "opened"),
            ("r2", "a", "shown"), ("r2", "b", "shown"), ("strange", "a", "shown"),
        ):  # fmt: skip
            body = {"invitation": rule, "variant": variant, "what": what}
            self.assertEqual((await self.ask("POST", f"{CHATS}/invited", body)).status, 204)
        for body in ({"invitation": "r1", "what": "won"}, {"invitation": "r1", "variant": "c", "what": "shown"},
                     {"invitation": "x" * 41, "what": "shown"}, {}):  # fmt: skip
            self.assertEqual((await self.ask("POST", f"{CHATS}/invited", body)).slug, "bad-field", body)
        await self.online(self.ann)
        auth = await self.visitor()
        for _ in range(2):
            await self.start(auth, key="same", invitation="r1", variant="b")
        await self.start(key="other", invitation="strange")
        today = datetime.now(UTC).date().isoformat()
        path = f"{CHATS}/report?from={today}&to={today}"
        found = (await self.ann.ask("GET", path)).json()["invitations"]
        words = ("id", "variant", "text", "shown", "opened", "started")
        self.assertEqual(
            sorted(tuple(one[word] for word in words) for one in found),
            [("r1", "a", "First", 2, 0, 0), ("r1", "b", "=Second", 1, 1, 1), ("r2", "a", "Alone", 1, 0, 0)],
        )
        text = (await self.ann.ask("GET", path.replace("report?", "report/csv?"))).body
        self.assertIn(b"'=Second,b,1,1,1", text)
        self.assertEqual(self.sql("select count(*) from chat_invitation"), [(3,)])
        self.assertEqual(self.sql("select count(*) from chat where invitation <> ''"), [(1,)])
        # Another site has none of it.
        other = await sign_in(self, "owner", site=2)
        report = await other.ask("GET", path.replace("/1/", "/2/"))
        self.assertEqual(report.json()["invitations"], [])
