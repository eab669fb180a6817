"""Servers that a site wants to be asked before a text is shown: its own, and one that speaks Akismet's protocol.

Both are asked at once, through the guard for addresses that strangers name, within the deadline that the rules give.
What happens without an answer is a rule as well (``late``).

The site's own server gets a POST, signed as webhooks are (`cackled.domain.webhooks`):

    {"type":"comment.check","site":"1","channel":{"id","key","url","title"},"visitor":"7","name","text","html",
     "address","parent","verdict":{"state","reasons","score"}}

and answers ``{"state":"approved|pending|spam|rejected|refused","reason":"..."}``; ``approved`` leaves the verdict as it
is. Any other answer, or a status other than 200, counts as none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from cackled import __version__
from cackled.domain.site import Site
from cackled.domain.text import clean_line
from cackled.domain.webhooks import signature
from cackled.metrics import Metrics
from cackled.moderation.compiled import Finding
from cackled.moderation.rules import Action, Akismet, Hook, Rules
from cackled.moderation.verdict import Draft, Verdict
from cackled.outbound.post import Answer

log = Logger()

# Bytes of an answer that are read.
MOST_ANSWER = 4_096
# Sites that are asked at once, in all and for each: a slow server must not use up what the others need.
MOST_ASKED, MOST_ASKED_SITE = 200, 20

Headers = list[tuple[bytes, bytes]]
# `cackled.outbound.post.GuardedHttp.ask`.
Ask = Callable[..., Awaitable[Answer]]

_ACTIONS: Mapping[str, Action] = {"pending": "hold", "spam": "spam", "rejected": "reject", "refused": "refuse"}


class _Answer(Struct):
    state: Literal["approved", "pending", "spam", "rejected", "refused"]
    reason: str = ""


class Hooks:
    """Asks the servers that sites want asked."""

    def __init__(self, ask: Ask, wall_time: Callable[[], float], metrics: Metrics) -> None:
        self._ask = ask
        self._wall_time = wall_time
        self._busy: dict[int, int] = {}
        self._outcomes = metrics.counter(
            "moderation_asked", "Servers asked before a text is shown.", ["kind", "outcome"]
        )

    async def ask(self, site: Site, rules: Rules, draft: Draft, verdict: Verdict) -> list[Finding]:
        """What the servers found; empty where none is to be asked."""
        work: list[Deferred[list[Finding]]] = []
        if rules.akismet.url:
            work.append(self._bounded(site, "akismet", rules.akismet, self._akismet(site, rules.akismet, draft)))
        if rules.webhook.url:
            work.append(self._bounded(site, "webhook", rules.webhook, self._own(site, rules.webhook, draft, verdict)))
        if not work:
            return []
        found: list[Finding] = []
        for ok, result in await DeferredList(work, consumeErrors=True):
            if ok:
                found += result
        return found

    def _bounded(
        self, site: Site, kind: str, how: Hook | Akismet, asking: Awaitable[list[Finding]]
    ) -> Deferred[list[Finding]]:
        return Deferred.fromCoroutine(self._one(site, kind, how, asking))

    async def _one(
        self, site: Site, kind: str, how: Hook | Akismet, asking: Awaitable[list[Finding]]
    ) -> list[Finding]:
        late = [Finding("hold", "late")] if how.late == "hold" else []
        under_way = self._busy.get(site.id, 0)
        if under_way >= MOST_ASKED_SITE or sum(self._busy.values()) >= MOST_ASKED:
            asking.close()  # type: ignore[attr-defined]
            self._outcomes.labels(kind, "busy").inc()
            return late
        self._busy[site.id] = under_way + 1
        try:
            found = await asking
        except (ValueError, OSError) as error:
            self._outcomes.labels(kind, "failed").inc()
            log.info("{kind} of site {site} gave no answer: {reason}", kind=kind, site=site.id, reason=str(error)[:200])
            return late
        finally:
            self._busy[site.id] -= 1
            if not self._busy[site.id]:
                del self._busy[site.id]
        self._outcomes.labels(kind, "answered").inc()
        return found

    async def _own(self, site: Site, hook: Hook, draft: Draft, verdict: Verdict) -> list[Finding]:
        body = msgspec.json.encode({
            "type": f"{draft.kind}.check", "site": str(site.id),
            "channel": {"id": str(draft.channel), "key": draft.key, "url": draft.url, "title": draft.title},
            "visitor": str(draft.visitor), "name": draft.name, "text": draft.text, "html": draft.html,
            "address": draft.address, "parent": None if draft.parent is None else str(draft.parent),
            "verdict": {"state": verdict.state, "reasons": verdict.reasons, "score": verdict.score},
        })  # fmt: skip
        now = int(self._wall_time())
        headers = [
            (b"Content-Type", b"application/json"),
            (b"X-Cackle-Timestamp", b"%d" % now),
            (b"X-Cackle-Signature", signature(hook.secret, now, body).encode("ascii")),
        ]
        found = await self._ask(b"POST", hook.url, headers, body, most=MOST_ANSWER, seconds=hook.deadline)
        if found.status != 200:
            raise OSError(f"the server answered {found.status}")
        try:
            answer = msgspec.json.decode(found.body, type=_Answer)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise OSError(f"the answer can't be read: {error}") from None
        if answer.state == "approved":
            return []
        return [Finding(_ACTIONS[answer.state], "hook", clean_line(answer.reason, 60).strip())]

    async def _akismet(self, site: Site, service: Akismet, draft: Draft) -> list[Finding]:
        fields = {
            "api_key": service.key, "blog": service.blog, "user_ip": draft.address or "", "comment_type": draft.kind,
            "comment_author": draft.name, "comment_author_email": draft.email, "comment_content": draft.text,
            "permalink": draft.url, "blog_charset": "UTF-8",
        }  # fmt: skip
        headers = [
            (b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),
            (b"User-Agent", f"cackled/{__version__} | moderation".encode("ascii")),
        ]
        url = f"{service.url.rstrip('/')}/1.1/comment-check"
        body = urlencode({name: value for name, value in fields.items() if value}).encode("ascii")
        found = await self._ask(b"POST", url, headers, body, most=MOST_ANSWER, seconds=service.deadline)
        answer = found.body.strip()
        if found.status != 200 or answer not in (b"true", b"false"):
            raise OSError(f"the service answered {found.status} {answer[:60]!r}")
        return [Finding("spam", "hook")] if answer == b"true" else []
