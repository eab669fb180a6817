"""What webhooks, live events, the outbox and counts tell of polls with hidden results and of options that wait."""

from __future__ import annotations

from typing import Any

from cackled.events import channel_id
from tests.products.polls.test_hiding import HiddenCase

POLLS = "/api/v1/sites/1/polls"
# Headers that tell of the asking alone.
MOVING = ("date", "age", "cache-status", "server-timing", "x-request-id")
# Words of options that are not shown, and of one that is.
WAITING, REFUSED, SPAM, SHOWN = "canary waiting", "canary refused", "canary spam", "shown yellow"


class WebhookTests(HiddenCase):
    """A site with the webhook of its settings and an endpoint for all events."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "webhook_url", "https://hooks.example/")
        await self.application.sites.change(1, "webhook_secret", "0123456789abcdef")
        self.sql("insert into webhook_endpoint (site_id, url, secret, types) "
                 "values (1, 'https://a.example/', 'x', '{}')")  # fmt: skip

    def told(self) -> list[str]:
        """All that is kept to be sent, and the log that it may be read from."""
        wanted = ("select body from outbox", "select data from webhook_event", "select data from event")
        return [row[0] for one in wanted for row in self.sql(one)]

    async def open_to_strangers(self, poll: str, listener: Any) -> bytes:
        """All answers that a stranger can get, and all that is told."""
        answers = [
            await self.ask("GET", f"/api/v1/sites/1/counts?channel={poll}"),
            await self.ask("GET", f"/threads/1?widget=Poll&poll={poll}", origin=None),
            await self.ask("GET", f"/threads/1/fragment?widget=Poll&poll={poll}"),
        ]
        told = "\n".join(self.told()).encode()
        return await self.everywhere(poll, listener) + b"".join(one.raw for one in answers) + told

    async def propose(self, poll: str, text: str) -> str:
        """Somebody proposes an option; gives its item in the queue."""
        made = await self.ask("POST", f"{POLLS}/{poll}/options", {"text": text}, authorization=await self.visitor())
        self.assertEqual(made.status, 201, made)
        rows = self.sql("select item from poll_option where poll_id = %s and text = %s", int(poll), text)
        return f"proposal:{rows[0][0]}"

    async def decide(self, item: str, action: str) -> None:
        body = {"items": [item], "action": action, "why": "offtopic"}
        answer = await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
        self.assertEqual(answer.status, 200, answer)

    async def life(self, poll: str) -> None:
        """All that happens to a poll before its end: votes, options of visitors, a burst struck out, changes."""
        await self.propose(poll, WAITING)
        for text, action in ((REFUSED, "reject"), (SPAM, "spam")):
            await self.decide(await self.propose(poll, text), action)
        shown = await self.propose(poll, SHOWN)
        await self.decide(shown, "approve")
        await self.cast(poll)
        self.sql("update ballot set network = '192.0.2.0/24', created_at = date_trunc('minute', now()) "
                 "where poll_id = %s and voter in ('10000', '10001')", int(poll))  # fmt: skip
        (burst,) = self.sql("select to_char(date_trunc('minute', created_at) at time zone 'UTC', "
                            "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from ballot where poll_id = %s and voter = '10000'",
                            int(poll))  # fmt: skip
        struck = {"network": "192.0.2.0/24", "minute": burst[0], "action": "strike"}
        answer = await self.owner.ask("POST", f"{POLLS}/{poll}/bursts", struck)
        self.assertEqual((answer.status, answer.json()["votes"]), (200, 2), answer)
        # 307, 211 and 518 again.
        await self.service.send(int(poll), [(20_000 + n, 0, None, "", "1") for n in range(2)])
        version = (await self.results(poll))["version"]
        self.assertEqual((await self.change(poll, version, question="Which colour??")).status, 200)

    async def test_quiz(self) -> None:
        """The right answer and why are told nowhere before the quiz is closed, whoever has answered."""
        options = [{"text": "one"}, {"text": "two", "correct": True}, {"text": "three"}]
        poll = await self.make(kind="quiz", options=options, explanation="canary because", results="voted", quota=0)
        listener = await self.listen(poll)
        await self.cast(poll)
        await self.vote(await self.visitor(), poll, "2")
        version = (await self.results(poll))["version"]
        self.assertEqual((await self.change(poll, version, question="Which colour??")).status, 200)
        heard = await self.open_to_strangers(poll, listener)
        self.assertNotIn(b"canary", heard)
        self.assertNotRegex(heard, rb'"correct": ?(true|\[)')
        self.assertNotIn(b"Right answer", heard)
        self.assertEqual((await self.change(poll, version + 1, closed=True)).status, 200)
        await listener.has(b"poll.closed")
        heard = await self.open_to_strangers(poll, listener)
        self.assertIn(b"canary because", heard)
        self.assertIn(b"Right answer", heard)
        self.assertNotIn("canary", "".join(self.told()))

    async def test_still(self) -> None:
        """Where results come when it closes, or to staff alone, no answer changes by a vote: neither words, nor tags of
        versions, nor times, nor numbers; and nothing is told.
        """
        for results in ("closed", "staff"):
            poll = await self.make(results=results, quota=0)
            paths = [
                f"/api/v1/sites/1/polls/{poll}?readPreference=primary", f"/api/v1/sites/1/counts?channel={poll}",
                f"/bootstrap?widget=Poll&site=1&poll={poll}&readPreference=primary",
                f"/threads/1?widget=Poll&poll={poll}&readPreference=primary",
                f"/threads/1/fragment?widget=Poll&poll={poll}&readPreference=primary",
                f"/rt/poll?sub=1/{channel_id('polls', poll)}@0&wait=0", f"/api/v1/sites/1/polls/{poll}/voters?option=1",
                "/sitemap.xml", "/threads/1/sitemap.xml",
            ]  # fmt: skip
            told = len(self.told())

            async def seen(once: str, paths: list[str] = paths) -> list[Any]:
                found = []
                for path in paths:
                    # Asked in other words, so that no cache answers.
                    answer = await self.ask("GET", f"{path}{'&' if '?' in path else '?'}once={once}")
                    heads = {name: value for name, value in answer.headers.items() if name not in MOVING}
                    found.append((path, answer.status, answer.body.replace(once.encode(), b""), heads))
                return found

            before = await seen("first")
            await self.cast(poll)
            await self.vote(await self.visitor(), poll, "2")
            for was, now in zip(before, await seen("later"), strict=True):
                self.assertEqual(was, now)
            self.assertEqual(len(self.told()), told)

    async def test_hidden(self) -> None:
        """Neither totals nor words of options that wait or were refused are told, whatever happens to the poll; with
        its end totals are, where everybody may see them."""
        for results in ("voted", "closed", "staff"):
            poll = await self.make(results=results, write_in=True, quota=0)
            listener = await self.listen(poll)
            await self.life(poll)
            heard = await self.open_to_strangers(poll, listener)
            self.assertFalse(self.seen(heard), results)
            self.assertNotIn(b"canary", heard, results)
            self.assertIn(SHOWN.encode(), heard)
            self.assertIn(f'"id":"{poll}"', "".join(self.told()))
            version = (await self.results(poll))["version"]
            self.assertEqual((await self.change(poll, version, closed=True)).status, 200)
            await listener.has(b"poll.closed")
            heard = await self.open_to_strangers(poll, listener)
            self.assertEqual(self.seen(heard), results != "staff")
            self.assertNotIn(b"canary", heard, results)
            # The next kind begins with nothing told.
            for table in ("outbox", "webhook_delivery", "webhook_event", "event"):
                self.sql(f"delete from {table}")
