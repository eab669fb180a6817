"""Servers that a site wants to be asked."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred

from cackled.moderation import hooks
from cackled.moderation.verdict import Verdict
from cackled.outbound.guard import Refused as NotAllowed
from cackled.outbound.post import Answer, NotSent
from tests.moderation.case import ModerationCase
from tests.moderation.common import draft

HOOK = {"url": "https://hook.example/check", "secret": "0123456789abcdef", "deadline": 0.7}
SERVICE = {"url": "https://rest.example", "key": "k", "blog": "https://one.example"}


def said(body: Any, status: int = 200) -> Answer:
    """An answer."""
    return Answer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


class HookTests(ModerationCase):
    async def judge(self, text: str = "hello there", **more: Any) -> Verdict:
        return await self.moderation.judge(self.site, draft(text, **more))

    async def test_asked(self) -> None:
        """It is sent what is needed, signed, with the deadline; its word is taken."""
        await self.rules(webhook=HOOK)
        self.answers = [said({"state": "pending", "reason": "a new person"})]
        verdict = await self.judge("hello *there*", address="192.0.2.7", title="A page")
        self.assertEqual((verdict.state, verdict.reasons, verdict.words), ("pending", ("hook",), ("a new person",)))
        url, headers, body, more = self.requests[0]
        self.assertEqual((url, more["seconds"]), (HOOK["url"], 0.7))
        named = dict(headers)
        stamp = named[b"X-Cackle-Timestamp"]
        right = "sha256=" + hmac.new(b"0123456789abcdef", stamp + b"." + body, sha256).hexdigest()
        self.assertEqual(named[b"X-Cackle-Signature"].decode(), right)
        sent = json.loads(body)
        self.assertEqual(
            (sent["type"], sent["site"], sent["text"], sent["address"], sent["channel"]["title"]),
            ("comment.check", "1", "hello *there*", "192.0.2.7", "A page"),
        )

    async def test_answers(self) -> None:
        """Each answer, and what is none."""
        await self.rules(webhook=HOOK)
        for state, then in (("approved", "approved"), ("spam", "spam"), ("rejected", "rejected")):
            self.answers = [said({"state": state})]
            self.assertEqual((await self.judge()).state, then)
        self.answers = [said({"state": "refused"})]
        self.assertEqual((await self.refused(self.judge())).slug, "rule")
        for wrong in (
            said(b"not json"), said({"state": "nonsense"}), said([]), said({"state": "spam"}, 500), said(b"[" * 3000),
            NotSent("no answer within 0.7 s"), NotAllowed("127.0.0.1 is no public address"), said(b"\xff"),
        ):  # fmt: skip
            self.answers = [wrong]
            self.assertEqual((await self.judge()).state, "approved", wrong)

    async def test_late(self) -> None:
        """Without an answer the text waits, where the site wants that; what is spam already is not sent."""
        await self.rules(webhook={**HOOK, "late": "hold"}, words=[{"text": "casino", "action": "spam"}])
        verdict = await self.judge()
        self.assertEqual((verdict.state, verdict.reasons), ("pending", ("late",)))
        self.requests.clear()
        self.assertEqual((await self.judge("casino")).state, "spam")
        self.assertEqual(self.requests, [])

    async def test_busy(self) -> None:
        """A server that does not answer has so many requests under way, and no more."""
        await self.rules(webhook={**HOOK, "late": "hold"})
        waiting: list[Deferred[Any]] = []

        def never(*args: Any, **more: Any) -> Deferred[Any]:
            waiting.append(Deferred())
            return waiting[-1]

        asked = self.moderation.judging._asked
        assert isinstance(asked, hooks.Hooks)
        asked._ask = never
        work = [
            Deferred.fromCoroutine(self.judge(f"hello {number}", visitor=number + 1))
            for number in range(hooks.MOST_ASKED_SITE + 3)
        ]
        self.assertEqual(len(waiting), hooks.MOST_ASKED_SITE)
        self.assertEqual([(await one).reasons for one in work[-3:]], [("late",)] * 3)
        for one in waiting:
            one.callback(said({"state": "approved"}))
        self.assertEqual({(await one).state for one in work[:-3]}, {"approved"})
        self.assertEqual(asked._busy, {})

    async def test_service(self) -> None:
        """A service that speaks Akismet's protocol: its fields, its two answers, and anything else."""
        await self.rules(akismet=SERVICE)
        self.answers = [said(b"true")]
        verdict = await self.judge("hello", name="Änne", address="192.0.2.7", url="https://one.example/a")
        self.assertEqual((verdict.state, verdict.reasons), ("spam", ("hook",)))
        url, _, body, _ = self.requests[0]
        self.assertEqual(url, "https://rest.example/1.1/comment-check")
        self.assertEqual(
            {name: value[0] for name, value in parse_qs(body.decode()).items()},
            {
                "api_key": "k", "blog": "https://one.example", "user_ip": "192.0.2.7", "comment_type": "comment",
                "comment_author": "Änne", "comment_content": "hello", "permalink": "https://one.example/a",
                "blog_charset": "UTF-8",
            },
        )  # fmt: skip
        for answer in (said(b"false"), said(b"invalid"), said(b"", 503)):
            self.answers = [answer]
            self.assertEqual((await self.judge()).state, "approved")
