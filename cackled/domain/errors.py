"""What the rules refuse: each refusal has a stable slug, an HTTP status and words for a person."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

from msgspec import Struct


class Refused(Exception):
    """A request that the rules refuse.

    ``slug`` names the problem for programs, ``detail`` for people; ``field`` names the member at fault, if one is;
    ``retry_after`` (seconds) is there where trying again later helps.
    """

    status = 400
    slug = "bad-request"
    title = "That request is not right"

    def __init__(self, detail: str = "", *, field: str | None = None, slug: str | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.field = field
        self.retry_after: float | None = None
        # More members for the problem document.
        self.extra: dict[str, Any] = {}
        # More headers of the answer.
        self.headers: list[tuple[bytes, bytes]] = []
        if slug is not None:
            self.slug = slug

    @property
    def passing(self) -> bool:
        """Whether the same may be right a moment later."""
        return self.status in (429, 503)


class BadField(Refused):
    """A member is missing or of the wrong kind."""

    slug = "bad-field"
    title = "A field is not right"


class Unauthorized(Refused):
    """No session token, or one that does not hold here."""

    status = 401
    slug = "unauthorized"
    title = "A session is needed"


class SignIn(Refused):
    """Only for people who signed in."""

    status = 401
    slug = "sign-in-first"
    title = "Sign in first"


class Forbidden(Refused):
    """Known, and not allowed."""

    status = 403
    slug = "forbidden"
    title = "That is not allowed"


class NotFound(Refused):
    """There is no such thing, or none this caller may see."""

    status = 404
    slug = "not-found"
    title = "Not found"


class Misdirected(Refused):
    """The site lives in another deployment; ``url`` of the document is where (empty: not known here)."""

    status = 421
    slug = "other-deployment"
    title = "That site lives elsewhere"

    @classmethod
    def to(cls, deployment: str, url: str) -> Misdirected:
        """The refusal with the address of the site's deployment."""
        made = cls(f"The site lives in deployment {deployment}" + (f", at {url}." if url else "."))
        made.extra = {"deployment": deployment, "url": url}
        return made


class Conflict(Refused):
    """It can't be done in the state things are in."""

    status = 409
    slug = "conflict"
    title = "Too late for that"


class Outdated(Refused):
    """It builds on a state that is no more (RFC 9110 section 13.1.1)."""

    status = 412
    slug = "outdated"
    title = "Changed meanwhile"

    def __init__(
        self, detail: str = "Somebody changed this meanwhile. Look at what it is now, and change that."
    ) -> None:
        super().__init__(detail)


class Unconditional(Refused):
    """A change has to say on what state it builds (RFC 6585 section 3)."""

    status = 428
    slug = "if-match"
    title = "Say what you saw"


class Unprocessable(Refused):
    """Well-formed, and still not acceptable."""

    status = 422
    slug = "unprocessable"
    title = "That can't be accepted"


class TooFast(Refused):
    """A rate limit; ``retry_after`` says when to try again."""

    status = 429
    slug = "too-fast"
    title = "That's a bit fast"

    def __init__(self, retry_after: float) -> None:
        seconds = max(1, ceil(retry_after))
        super().__init__(f"That's a bit fast. Try again in {seconds} second{'' if seconds == 1 else 's'}.")
        self.retry_after = retry_after


class Refusal(Struct, frozen=True, kw_only=True):
    """What a database function refuses: SQLSTATE (of class CK) and reason, and the problem that it becomes.

    The reason is the problem's slug. ``field`` names the member at fault, if one is.
    """

    state: str
    reason: str
    error: type[Refused]
    detail: str
    field: str | None = None


_CORE = (
    Refusal(state="CK403", reason="banned", error=Forbidden, detail="You can't write here."),
    Refusal(state="CK403", reason="locked", error=Forbidden, detail="This conversation is closed."),
    Refusal(state="CK403", reason="author", error=Forbidden, detail="Only its author can do that."),
    Refusal(state="CK409", reason="key", error=Conflict, detail="This channel key can't be used."),
    Refusal(
        state="CK409",
        reason="stored",
        error=Conflict,
        detail="The site is stored here, and can't be said to live elsewhere.",
    ),
    Refusal(
        state="CK422", reason="key-reused", error=Unprocessable,
        detail="This idempotency key was used for another call.",
    ),
    Refusal(state="CK421", reason="deployment", error=Misdirected, detail="The site lives in another deployment."),
)
_KINDS: dict[str, type[Refused]] = {
    "CK403": Forbidden,
    "CK404": NotFound,
    "CK409": Conflict,
    "CK421": Misdirected,
    "CK422": Unprocessable,
}


class Refusals:
    """Which problem each refusal of the database is: those that all products share, and *own*."""

    def __init__(self, own: Iterable[Refusal] = ()) -> None:
        self._known = {(one.state, one.reason): one for one in (*_CORE, *own)}

    def find(self, state: str, reason: str) -> Refused | None:
        """The refusal that a database function raised, or None where it was something else."""
        kind = _KINDS.get(state)
        if kind is None:
            return None
        word = reason.strip().split("\n", 1)[0].rpartition(" ")[2]
        known = self._known.get((state, word))
        if known is None:
            return kind()
        return known.error(known.detail, field=known.field, slug=known.reason)


from_sqlstate = Refusals().find


# Slugs of the problems that all products share, and their status.
PROBLEMS: dict[str, int] = {
    "bad-request": 400,
    "bad-json": 400,
    "bad-field": 400,
    "unauthorized": 401,
    "no-token": 401,
    "bad-token": 401,
    "token-expired": 401,
    "signed-out": 401,
    "bad-key": 401,
    "forbidden": 403,
    "role": 403,
    "not-fresh": 403,
    "own-origin": 403,
    "insecure": 403,
    "origin": 403,
    "not-granted": 403,
    "sign-in-first": 401,
    "not-in-group": 403,
    "banned": 403,
    "locked": 403,
    "author": 403,
    "not-found": 404,
    "unknown-site": 404,
    "conflict": 409,
    "key": 409,
    "under-way": 409,
    "outdated": 412,
    "content-too-large": 413,
    "uri-too-long": 414,
    "other-deployment": 421,
    "unprocessable": 422,
    "key-reused": 422,
    "if-match": 428,
    "too-fast": 429,
    "internal": 500,
    "unavailable": 503,
}
