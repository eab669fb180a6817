"""What is judged before it is written, and what the judgement is.

The service of a product makes a `Draft` and asks ``await parts.judge(site, draft)`` before its write statement. It gets
a `Verdict`, or the `Refused` that the author is to be answered with (a closed conversation, slow mode, a word that is
refused, a proof of work that is wanted).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from cackled.domain.site import Site

State = Literal["approved", "pending", "spam", "rejected"]

# Why something is not shown at once: marks of the queue, by which it is filtered. The catalogues have words for each.
MARKS = (
    "premoderation", "first", "link", "word", "pattern", "language", "caps", "repeat", "duplicate", "burst", "name",
    "spam", "trap", "fast", "hook", "late", "flags", "ban", "shadow", "edit",
)  # fmt: skip


class Signs(Struct, frozen=True):
    """What the form that somebody wrote in says of them; see `Draft`."""

    trap: str = ""
    seconds: float | None = None
    proof: str = ""
    scriptless: bool = False


NO_SIGNS = Signs()


class Draft(Struct, frozen=True, kw_only=True):
    """What somebody is about to write.

    - ``kind``: what it is (``comment``); ``channel`` and ``key``: where.
    - ``text``: cleaned, as typed; ``html``: as it is going to be shown.
    - ``parent``: what it answers; ``edits``: the id of the published item that it changes.
    - ``staff``: written by a member of the site's staff; ``known``: by somebody who signed in.
    - ``title``, ``url``: of the page, where known; ``since``: when its conversation began, and ``at``: now, in
      seconds since 1970, where known.
    - ``trap``: what stood in the field that people don't see; ``seconds``: how long the form was open, as the browser
      says; ``proof``: the solution of a challenge (`cackled.moderation.challenge`).
    - ``scriptless``: written in a form without scripts, which can solve no challenge: a moderator reads it instead.
    - ``once``: the client's own key of the write; the same draft with the same key is judged once.
    """

    kind: str
    channel: int
    key: str
    visitor: int
    name: str
    text: str
    html: str
    address: str | None = None
    parent: int | None = None
    edits: int | None = None
    staff: bool = False
    known: bool = False
    email: str = ""
    title: str = ""
    url: str = ""
    since: float | None = None
    at: float | None = None
    trap: str = ""
    seconds: float | None = None
    proof: str = ""
    scriptless: bool = False
    once: str = ""


class Verdict(Struct, frozen=True):
    """What becomes of a draft.

    ``reasons`` are marks (`MARKS`), first the one that ``score`` and ``words`` explain; ``score`` is what the spam
    filter says, from 0 (certainly none) to 1, None where it was not asked or knows too little; ``words`` are those that
    decided.
    """

    state: State
    reasons: tuple[str, ...] = ()
    score: float | None = None
    words: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether everybody sees it at once."""
        return self.state == "approved"


APPROVED = Verdict("approved")

Judge = Callable[[Site, Draft], Awaitable[Verdict]]


async def judge(site: Site, draft: Draft) -> Verdict:
    """Judge nothing: what services are made with where there are no rules (tests, demo data)."""
    return APPROVED
