"""Webhooks: told in order, tried again for three days, given up, sent again; signed; words that went are not sent."""

from __future__ import annotations

import base64
import hmac
import json
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import BadField, Conflict, NotFound, Outdated
from cackled.domain.sessions import Session
from cackled.domain.webhook_endpoints import MOST_ENDPOINTS, Endpoints, EventTypes
from cackled.domain.webhook_sending import REFUSED_TRIES, WebhookSender
from cackled.domain.webhooks import new_secret, standard_signature
from cackled.events import PERSONAL
from cackled.metrics import Metrics
from cackled.outbound.post import Answer
from tests.domain.common import ANN, BOB, DomainCase, the_id

TYPES = EventTypes(("channel.updated", "comment.created", "comment.updated", "comment.deleted", "comment.voted"))


class SignatureTests(SynchronousTestCase):
    def test_published_vector(self) -> None:
        """The example of the specification's reference libraries."""
        body = b'{"test": 2432232314}'
        made = standard_signature(
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
        )
        self.assertEqual(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

    def test_two_secrets(self) -> None:
        """Each signs; a text that is no base64 signs as it is."""
        random = Random(1)
        new = new_secret(random)
        made = standard_signature([new, "whsec_*", "plain"], "m", 1, b"{}").split(" ")
        keys = (base64.b64decode(new[6:]), b"whsec_*", b"plain")
        for one, key in zip(made, keys, strict=True):
            digest = hmac.new(key, b"m.1.{}", "sha256").digest()
            self.assertEqual(one, "v1," + base64.b64encode(digest).decode())
        self.assertGreaterEqual(len(keys[0]), 24)


class WebhookCase(DomainCase):
    """A sender over a real database, and a server that answers as it is told."""

    async def setUp(self) -> None:
        await super().setUp()
        self.got: list[tuple[str, dict[bytes, bytes], Any]] = []
        self.answers: list[int | Exception | tuple[int, str]] = []
        self.time = Clock()
        self.sender = self.make_sender()
        self.endpoints = Endpoints(self.site, self.database, TYPES, self.check, Random(7))

    def make_sender(self) -> WebhookSender:
        return WebhookSender(self.database, self.time, Random(1), lambda: 1_763_720_000.5, Metrics(), self.ask)

    @staticmethod
    def check(url: str) -> None:
        if "127.0.0.1" in url:
            raise ValueError("127.0.0.1 is no public address")

    async def ask(self, method: bytes, url: str, headers: Any, body: bytes, *, kept: bool) -> Answer:
        self.got.append((url, dict(headers), json.loads(body)))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        status, after = answer if isinstance(answer, tuple) else (answer, "")
        return Answer(status, {"retry-after": after} if after else {}, b"")

    async def send(self, *answers: int | Exception | tuple[int, str]) -> list[Any]:
        """Look for work once; gives the bodies that were sent."""
        self.got.clear()
        self.answers = list(answers)
        await self.sender.run()
        await self.sender.finish()
        return [body for _, _, body in self.got]

    def due(self) -> None:
        """The time of the next try has come."""
        self.sql("update webhook_endpoint set next_at = now(), claimed_until = null")

    def states(self, endpoint: int) -> list[int]:
        return [one[0] for one in self.sql(
            "select state from webhook_delivery where endpoint_id = %s order by event_id", endpoint)]  # fmt: skip


class SendingTests(WebhookCase):
    async def test_told(self) -> None:
        """What an endpoint chose, in order, signed, with an id that stays; another site's endpoint hears nothing."""
        number, secret = await self.endpoints.add("https://a.example/x", ["comment.created", "comment.deleted"], "", "")
        other = await self.sites.add("Two", ["two.example"], site_id=2)
        assert other is not None
        await Endpoints(other, self.database, TYPES, self.check, Random(3)).add("https://b.example/", [], "", "")
        one = the_id(await self.post("one"))
        await self.comments.edit(Session(1, ANN), one, "changed")
        await self.comments.delete(Session(1, ANN), one)
        told = await self.send()
        self.assertEqual([body["type"] for body in told], ["comment.created", "comment.deleted"])
        self.assertEqual([url for url, _, _ in self.got], ["https://a.example/x"] * 2)
        self.assertEqual(told[0]["site"], "1")
        self.assertRegex(told[0]["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(told[0]["position"].endswith("@1"))
        headers = self.got[0][1]
        self.assertEqual(headers[b"webhook-id"], f"msg_1_{told[0]['id']}".encode())
        self.assertEqual(headers[b"webhook-timestamp"], b"1763720000")
        self.assertTrue(headers[b"webhook-signature"].startswith(b"v1,"))
        self.assertTrue(headers[b"X-Cackle-Signature"].startswith(b"sha256="))
        self.assertNotIn(secret.encode(), b"".join(headers.values()))
        self.assertEqual(self.states(number), [1, 1])
        self.assertEqual(await self.send(), [])

    async def test_personal(self) -> None:
        """What is for one person's pages is told to no server, whatever it wants to be told."""
        await self.endpoints.add("https://a.example/", [], "", "")
        self.sql("select announce(1, 5, 1, %s, '{\"unread\":1}', false)", f"{PERSONAL}created")
        self.sql("delete from event where type = %s", f"{PERSONAL}created")
        self.assertEqual((await self.send(), self.sql("select count(*) from webhook_event")), ([], [(0,)]))

    async def test_order_and_breaker(self) -> None:
        """What fails holds up what comes after it; the endpoint rests, longer each time, and other endpoints don't."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        await self.endpoints.add("https://b.example/", [], "", "")
        for text in ("one", "two", "three"):
            await self.post(text)

        async def ask(method: bytes, url: str, headers: Any, body: bytes, *, kept: bool) -> Answer:
            self.got.append((url, dict(headers), json.loads(body)))
            return Answer(503 if url.startswith("https://a") else 200, {}, b"")

        self.sender._ask = ask
        waits = []
        first = []
        for _ in range(4):
            self.got.clear()
            await self.sender.run()
            await self.sender.finish()
            first += [headers[b"webhook-id"] for url, headers, _ in self.got if url.startswith("https://a")]
            self.assertEqual(await self.send(), [], "it rests")
            self.sender._ask = ask
            rest = self.sql("select extract(epoch from next_at - now()) from webhook_endpoint where id = %s", number)
            waits.append(float(rest[0][0]))
            self.due()
        self.assertEqual((len(first), len(set(first))), (4, 1))
        self.assertEqual(self.states(number), [0, 0, 0])
        for wait, middle in zip(waits, (5, 10, 20, 40), strict=True):
            self.assertTrue(middle * 0.4 < wait < middle * 1.6, (wait, middle))
        shown = await self.endpoints.get(number)
        self.assertEqual((shown.state, shown.failures, shown.waiting), ("failing", 4, 3))
        self.sender._ask = self.ask
        told = [body["data"]["comment"]["html"] for body in await self.send()]
        self.assertEqual(told, ["<p>one</p>", "<p>two</p>", "<p>three</p>"])
        self.assertEqual((await self.endpoints.get(number)).state, "on")

    async def test_asked_to_wait(self) -> None:
        """``Retry-After`` counts, up to six hours; what can't be read does not."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        await self.post()
        for after, least, most in (("3600", 3590, 3600), ("999999999", 21_590, 21_600), ("soon", 0, 400)):
            await self.send((429, after))
            wait = self.sql("select extract(epoch from next_at - now()) from webhook_endpoint where id = %s", number)
            self.assertTrue(least <= wait[0][0] <= most, (after, wait))
            self.due()

    async def test_given_up(self) -> None:
        """After three days: what is too old is a dead letter, the rest goes on waiting; replayed, it is sent."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        await self.post("one")
        await self.post("two")
        await self.post("three")
        self.sql("update webhook_delivery set until = now() - interval '1 second' where event_id < "
                 "(select max(event_id) from webhook_delivery)")  # fmt: skip
        await self.send(500)
        self.assertEqual(self.states(number), [2, 2, 0])
        shown = await self.endpoints.get(number)
        self.assertEqual((shown.dead, shown.waiting), (2, 1))
        dead = await self.endpoints.deliveries(number, state="dead")
        self.assertEqual([(one.state, one.error) for one in dead], [("dead", "the server answered 500")] * 2)
        self.assertEqual(await self.endpoints.replay(number), 2)
        self.assertEqual([body["data"]["comment"]["html"] for body in await self.send()],
                         ["<p>one</p>", "<p>two</p>", "<p>three</p>"])  # fmt: skip
        self.assertEqual(await self.endpoints.replay(number, int(dead[0].id)), 1)
        self.assertEqual(len(await self.send()), 1)
        with self.assertRaises(NotFound):
            await self.endpoints.replay(number, 999)

    async def test_refused(self) -> None:
        """What the server can't read is given up after some tries, and what comes after it is sent."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        await self.post("bad")
        await self.post("good")
        for _ in range(REFUSED_TRIES - 1):
            self.assertEqual(len(await self.send(422)), 1)
            self.due()
        self.assertEqual(len(await self.send(422, 200)), 2)
        self.assertEqual(self.states(number), [2, 1])

    async def test_gone(self) -> None:
        """410: nothing is sent there any more until an owner says so."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        await self.post("one")
        await self.send(410)
        await self.post("two")
        self.assertEqual((await self.send(), self.states(number)), ([], [2]))
        shown = await self.endpoints.get(number)
        self.assertEqual(shown.state, "halted")
        shown = await self.endpoints.change(number, shown.version, enabled=True)
        self.assertEqual(shown.state, "on")
        await self.post("three")
        self.assertEqual(len(await self.send()), 1)

    async def test_errors(self) -> None:
        """No way there, a redirect, an address that is not allowed: the reason is kept; a log of all tries too."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        await self.post()
        for answer, reason in ((OSError("no ro\0ute"), "no route"), (302, "302"), (ValueError("no, not"), "no, not")):
            await self.send(answer)
            tries = await self.endpoints.tries(number)
            self.assertIn(reason, tries[0].error)
            self.due()
        self.assertEqual(len(await self.endpoints.tries(number)), 3)
        self.assertEqual(len(await self.endpoints.tries(number, size=1, before=int(tries[0].id))), 1)

    async def test_words_that_went(self) -> None:
        """A comment that is deleted, edited or whose author is forgotten before it is told: no word of it is sent."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        one = the_id(await self.post("canary one"))
        two = the_id(await self.post("canary two", by=BOB))
        three = the_id(await self.post("canary three"))
        await self.comments.edit(Session(1, ANN), three, "mild")
        await self.comments.delete(Session(1, ANN), one)
        await self.comment_moderation.remove(two)
        told = await self.send()
        self.assertEqual(len(told), 6)
        self.assertNotIn("canary", json.dumps(told))
        self.assertEqual(told[2]["data"]["comment"]["html"], "<p>mild</p>")
        self.assertNotIn("canary", await self.endpoints.data(number, int(told[0]["id"])))

    async def test_one_at_a_time(self) -> None:
        """Two processes look at once: each event is sent once. One that died is followed when its claim ends."""
        await self.endpoints.add("https://a.example/", [], "", "")
        for n in range(12):
            await self.post(f"{n}")
        other = self.make_sender()
        await self.sender.run()
        await other.run()
        await self.sender.finish()
        await other.finish()
        self.assertEqual(len(self.got), 12)
        self.assertEqual(len({body["id"] for _, _, body in self.got}), 12)
        await self.post("more")
        self.sql("update webhook_endpoint set claimed_until = now() + interval '20 seconds'")
        self.assertEqual(await self.send(), [])
        self.sql("update webhook_endpoint set claimed_until = now() - interval '1 second'")
        self.assertEqual(len(await self.send()), 1)

    async def test_secrets(self) -> None:
        """While they are changed two sign; a test is sent whatever the state, and is in the log."""
        number, old = await self.endpoints.add("https://a.example/", [], "", "")
        new = await self.endpoints.rotate(number, 60)
        await self.post()
        body = (await self.send())[0]
        made = self.got[0][1][b"webhook-signature"].decode().split(" ")
        raw = self.sql("select count(*) from webhook_endpoint where old_secret = %s and secret = %s", old, new)
        self.assertEqual((len(made), raw), (2, [(1,)]))
        await self.endpoints.rotate(number, 0)
        self.got.clear()
        tried = await self.sender.test(1, number)
        assert tried is not None
        self.assertEqual((tried.outcome, self.got[0][2]["type"], self.got[0][2]["position"]),
                         ("done", "webhook.test", None))  # fmt: skip
        self.assertEqual(len(self.got[0][1][b"webhook-signature"].split(b" ")), 1)
        self.assertEqual([one.event for one in await self.endpoints.tries(number)], [None, body["id"]])
        self.assertIsNone(await self.sender.test(1, 999))
        self.assertIsNone(await self.sender.test(2, number))


class EndpointTests(WebhookCase):
    async def test_bad(self) -> None:
        """Addresses and events that there are not; too many; a change that builds on what is no more."""
        for url in ("ftp://x.example", "http://127.0.0.1/", "https://", "x", "https://u:p@x.example/", "https://a.b/#x"):
            with self.assertRaises(BadField) as caught:
                await self.endpoints.add(url, [], "", "")
            self.assertEqual(caught.exception.field, "url")
        with self.assertRaises(BadField):
            await self.endpoints.add("https://a.example/", ["comment.exploded"], "", "")
        for n in range(MOST_ENDPOINTS):
            await self.endpoints.add(f"https://a.example/{n}", [], "", "")
        with self.assertRaises(Conflict):
            await self.endpoints.add("https://a.example/more", [], "", "")
        one = (await self.endpoints.listed())[0]
        changed = await self.endpoints.change(int(one.id), one.version, types=["comment.voted"], note="x")
        self.assertEqual((changed.types, changed.note, changed.version), (["comment.voted"], "x", one.version + 1))
        with self.assertRaises(Outdated):
            await self.endpoints.change(int(one.id), one.version, note="y")
        for act in (
            self.endpoints.change(999, 1, note="x"), self.endpoints.rotate(999), self.endpoints.remove(999),
            self.endpoints.get(999), self.endpoints.replay(999), self.endpoints.data(int(one.id), 5),
        ):  # fmt: skip
            with self.assertRaises(NotFound):
                await act

    async def test_off_and_removed(self) -> None:
        """Switched off it is told nothing of meanwhile; removed, what it was told goes with it."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        shown = await self.endpoints.get(number)
        await self.endpoints.change(number, shown.version, enabled=False)
        await self.post()
        self.assertEqual((await self.send(), self.sql("select count(*) from webhook_event")), ([], [(0,)]))
        await self.endpoints.change(number, shown.version + 1, enabled=True)
        await self.post()
        await self.send()
        await self.endpoints.remove(number)
        self.assertEqual(self.sql("select (select count(*) from webhook_delivery), (select count(*) from webhook_try)"),
                         [(0, 0)])  # fmt: skip

    async def test_bounded(self) -> None:
        """What is old goes, and all but the last thousand tries of an endpoint."""
        number, _ = await self.endpoints.add("https://a.example/", [], "", "")
        self.sql("insert into webhook_try (site_id, endpoint_id, millis) select 1, %s, 1 from generate_series(1, 1010)",
                 number)  # fmt: skip
        await self.post()
        await self.send()
        self.sql("update webhook_event set created_at = now() - interval '31 days'")
        await self.post()
        for _ in range(3):
            self.sql("select expire_webhooks(5000)")
        self.assertEqual(
            self.sql("select (select count(*) from webhook_try), (select count(*) from webhook_event), "
                     "(select count(*) from webhook_delivery)"), [(1000, 1, 1)],
        )  # fmt: skip
