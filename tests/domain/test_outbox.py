"""The outbox: claimed once, tried again later and later, given up, listed, requeued; webhooks told and signed."""

from __future__ import annotations

import hmac
import json
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.outbox import FIRST_WAIT, LONGEST_WAIT, POLL, GiveUp, Outbox, Retry, Work, wait_before
from cackled.domain.sessions import Session
from cackled.domain.webhooks import Webhooks, signature
from cackled.metrics import Metrics
from tests.domain.common import ANN, DomainCase, clock, the_id


class OutboxTests(DomainCase):
    """Over a real database."""

    async def setUp(self) -> None:
        await super().setUp()
        self.done: list[Work] = []
        self.outcome: Exception | None = None
        self.metrics = Metrics()

    def outbox(self, **more: Any) -> Outbox:
        async def handle(work: Work) -> None:
            self.done.append(work)
            if self.outcome is not None:
                raise self.outcome

        return Outbox(self.database, Clock(), Random(1), self.metrics, {"x": handle}, **more)

    def put(self, body: str = "{}", kind: str = "x") -> int:
        rows = self.sql("insert into outbox (site_id, kind, body) values (1, %s, %s) returning id", kind, body)
        return int(rows[0][0])

    def row(self, number: int) -> tuple[Any, ...]:
        return self.sql(
            "select tries, done_at is not null, dead_at is not null, error, next_at > now() + interval '2 seconds' "
            "from outbox where id = %s", number,
        )[0]  # fmt: skip

    async def test_once(self) -> None:
        """Everything due is done once, also with several at work; more than a batch too."""
        numbers = {self.put() for _ in range(45)}
        works = [Deferred.fromCoroutine(self.outbox().run()) for _ in range(3)]
        for one in works:
            await one
        self.assertEqual(sorted(work.id for work in self.done), sorted(numbers))
        self.assertEqual(self.sql("select count(*) from outbox where done_at is null"), [(0,)])
        await self.outbox().run()
        self.assertEqual(len(self.done), 45)

    async def test_retry(self) -> None:
        """What fails waits, and is not touched before its time; the reason is kept."""
        number = self.put()
        self.outcome = Retry("no luck")
        box = self.outbox()
        await box.run()
        await box.run()
        self.assertEqual((len(self.done), self.row(number)), (1, (1, False, False, "no luck", True)))
        self.sql("update outbox set next_at = now()")
        self.outcome = None
        await box.run()
        self.assertEqual(self.row(number)[:4], (2, True, False, None))
        self.assertEqual([work.tries for work in self.done], [1, 2])

    async def test_dead_letters(self) -> None:
        """After the last try, or where it can never work, it is a dead letter; requeued, it starts anew."""
        first, second = self.put(), self.put()
        box = self.outbox(tries=2)
        self.outcome = Retry("still no luck")
        await box.run()
        self.sql("update outbox set next_at = now() where id = %s", first)
        await box.run()
        self.outcome = GiveUp("gone")
        self.sql("update outbox set next_at = now() where id = %s", second)
        await box.run()
        self.assertEqual({(one.id, one.error, one.tries) for one in await box.dead()},
                         {(first, "still no luck", 2), (second, "gone", 2)})  # fmt: skip
        self.assertEqual((await box.waiting())[:2], (0, 2))
        self.assertTrue(await box.requeue(first))
        self.assertFalse(await box.requeue(first))
        self.outcome = None
        await box.run()
        self.assertEqual(self.row(first)[:3], (1, True, False))
        self.assertEqual(self.metrics.value("outbox_work_total", kind="x", outcome="dead"), 2)

    async def test_crash(self) -> None:
        """Work claimed by a process that died comes back when the claim runs out."""
        number = self.put()
        self.outcome = KeyError("a bug")
        await self.outbox().run()
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.row(number)[3], "KeyError")
        self.sql("update outbox set next_at = now() - interval '1 second', done_at = null")
        self.outcome = None
        await self.outbox().run()
        self.assertTrue(self.row(number)[1])

    async def test_receiver_that_hangs(self) -> None:
        """A site whose receiver does not answer holds up none but itself, however much it has to tell."""
        hung, done = Deferred[None](), [0]

        async def handle(work: Work) -> None:
            if work.site == 1:
                await hung
            done.append(work.site)

        self.sql("insert into outbox (site_id, kind, body, next_at) "
                 "select 1, 'x', '{}', now() - interval '1 minute' from generate_series(1, 300)")  # fmt: skip
        time = Clock()
        box = Outbox(self.database, time, Random(1), self.metrics, {"x": handle})
        box.start()
        self.addCleanup(box.stop)
        for site in (2, 3):
            # What comes later too.
            self.sql("insert into outbox (site_id, kind, body) values (%s, 'x', '{}')", site)
            while done[-1] != site:
                time.advance(POLL)
                await deferLater(clock, 0.005)
        self.assertLess(self.sql("select count(*) from outbox where site_id = 1 and tries > 0")[0][0], 50)
        hung.callback(None)
        while self.sql("select from outbox where done_at is null limit 1"):
            time.advance(POLL)
            await deferLater(clock, 0.005)
        self.assertEqual(len(done), 1 + 302)

    async def test_odd_reason(self) -> None:
        """A reason that the database can't hold is noted without what it can't."""
        number = self.put()
        self.outcome = Retry("no\0 luck\ud800")
        await self.outbox(tries=1).run()
        self.assertEqual(self.row(number)[:4], (1, False, True, "no luck"))

    async def test_unknown_kind(self) -> None:
        """What only a newer release knows waits for it."""
        number = self.put(kind="later")
        await self.outbox().run()
        self.assertEqual(self.row(number)[:3], (1, False, False))


class WaitTests(SynchronousTestCase):
    def test_backoff(self) -> None:
        """Doubling from five seconds, spread by half to either side, at most six hours."""
        random = Random(1)
        for tries in range(1, 80):
            middle = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1))
            waits = {wait_before(tries, random) for _ in range(50)}
            self.assertGreaterEqual(min(waits), middle * 0.5)
            self.assertLessEqual(max(waits), middle * 1.5)
            self.assertGreater(len(waits), 40)


class HookTests(DomainCase):
    """From a comment to a signed request."""

    settings = {"webhook_url": "https://hooks.example/x", "webhook_secret": "s3cret"}

    async def deliver(self, status: int = 200, error: Exception | None = None) -> Outbox:
        self.sent: list[tuple[str, dict[bytes, bytes], bytes]] = []

        def send(url: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Deferred[int]:
            self.sent.append((url, dict(headers), body))
            if error is not None:
                raise error
            return succeed(status)

        hooks = Webhooks(self.sites, send, lambda: 1_763_720_000.5)
        box = Outbox(self.database, Clock(), Random(1), Metrics(), {"webhook": hooks.deliver})
        await box.run()
        return box

    async def test_every_change(self) -> None:
        """Written, changed, deleted by its author and by a moderator: each is told with its position."""
        one, two = the_id(await self.post("one")), the_id(await self.post("two"))
        await self.comments.edit(Session(1, ANN), one, "three")
        await self.comments.delete(Session(1, ANN), one)
        await self.comment_moderation.remove(two)
        await self.comments.post(Session(1, ANN), ref_of("page"), "again", "Ann", idempotency_key="k")
        await self.comments.post(Session(1, ANN), ref_of("page"), "again", "Ann", idempotency_key="k")
        await self.deliver()
        told = sorted((json.loads(body) for _, _, body in self.sent), key=lambda one: int(one["id"]))
        self.assertEqual(
            [one["type"] for one in told],
            ["comment.created", "comment.created", "comment.updated", "comment.deleted", "comment.deleted",
             "comment.created"],
        )  # fmt: skip
        channel = self.site.channel("comments", "page")
        positions = [str(self.site.position(channel, n)) for n in range(1, 7)]
        self.assertEqual([one["position"] for one in told], positions)
        self.assertEqual(told[2]["data"]["comment"]["html"], "<p>three</p>")
        self.assertEqual((told[3]["data"]["id"], told[3]["site"]), (str(one), "1"))

    async def test_signature(self) -> None:
        """The receiver can check who sent it and when; the secret itself is nowhere in it."""
        await self.post()
        await self.deliver()
        url, headers, body = self.sent[0]
        self.assertEqual((url, headers[b"X-Cackle-Timestamp"]), ("https://hooks.example/x", b"1763720000"))
        wanted = hmac.new(b"s3cret", b"1763720000." + body, "sha256").hexdigest()
        self.assertEqual(headers[b"X-Cackle-Signature"].decode(), f"sha256={wanted}")
        self.assertEqual(signature("s3cret", 1763720000, body), f"sha256={wanted}")
        self.assertEqual(headers[b"X-Cackle-Event-Id"].decode(), json.loads(body)["id"])
        self.assertNotIn(b"s3cret", body + b"".join(headers.values()))

    async def test_answers(self) -> None:
        """Errors of the receiver and the way there are tried again, 410 and forbidden addresses are not."""
        for status, error, dead, reason in (
            (500, None, 0, "500"), (302, None, 0, "302"), (200, OSError("no route"), 0, "no route"),
            (410, None, 1, "410"),
            (200, ValueError("127.0.0.1 is no public address"), 1, "public"),
        ):  # fmt: skip
            self.sql("delete from outbox")
            await self.post()
            box = await self.deliver(status, error)
            self.assertEqual(await box.waiting() >= (1 - dead, dead, 0), True)
            self.assertEqual(len(await box.dead()), dead, reason)
            self.assertIn(reason, self.sql("select error from outbox")[0][0])

    async def test_switched_off(self) -> None:
        """A site that took its address away is told no more, nor is one that never had one."""
        await self.post()
        self.site = await self.sites.change(1, "webhook_url", "")
        box = await self.deliver()
        self.assertEqual((len(await box.dead()), self.sent), (1, []))
        self.comments = self.of(self.site)
        await self.post()
        self.assertEqual(self.sql("select count(*) from outbox"), [(1,)])


def ref_of(key: str) -> Any:
    from cackled.domain.channels import ChannelRef

    return ChannelRef(key)
