"""What the rules refuse: each refusal has a stable slug, an HTTP status and words for a person."""

from __future__ import annotations


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
        self.extra: dict[str, str] = {}
        if slug is not None:
            self.slug = slug


class BadField(Refused):
    """A member is missing or of the wrong kind."""

    slug = "bad-field"
    title = "A field is not right"


class Unauthorized(Refused):
    """No session token, or one that does not hold here."""

    status = 401
    slug = "unauthorized"
    title = "A session is needed"


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
        """One that tells the way."""
        made = cls(f"The site lives in deployment {deployment}" + (f", at {url}." if url else "."))
        made.extra = {"deployment": deployment, "url": url}
        return made


class Conflict(Refused):
    """It can't be done in the state things are in."""

    status = 409
    slug = "conflict"
    title = "Too late for that"


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
        super().__init__(f"That's a bit fast. Try again in {max(1, round(retry_after))} seconds.")
        self.retry_after = retry_after


_BY_STATE: dict[str, tuple[type[Refused], dict[str, str]]] = {
    "CK403": (
        Forbidden,
        {
            "banned": "You can't write here.",
            "locked": "This conversation is closed.",
            "author": "Only its author can do that.",
        },
    ),
    "CK404": (NotFound, {"comment": "There is no such comment."}),
    "CK409": (
        Conflict,
        {
            "window": "The time for changing this comment is over.",
            "key": "This channel key can't be used.",
            "stored": "The site is stored here, and can't be said to live elsewhere.",
        },
    ),
    "CK421": (Misdirected, {"deployment": "The site lives in another deployment."}),
    "CK422": (
        Unprocessable,
        {"parent": "The comment you answer is not there any more.", "depth": "Replies can't go deeper here."},
    ),
}


def from_sqlstate(state: str, reason: str) -> Refused | None:
    """The refusal a database function raised (SQLSTATE of class CK), or None where it was something else."""
    known = _BY_STATE.get(state)
    if known is None:
        return None
    kind, words = known
    reason = reason.strip().split("\n", 1)[0]
    reason = reason.rpartition(" ")[2]
    field = "parent" if reason in ("parent", "depth") else None
    return kind(words.get(reason, ""), field=field, slug=reason if reason in words else None)


# Every slug that a problem may have, and its status.
PROBLEMS: dict[str, int] = {
    "bad-request": 400,
    "bad-json": 400,
    "bad-field": 400,
    "unauthorized": 401,
    "no-token": 401,
    "bad-token": 401,
    "token-expired": 401,
    "forbidden": 403,
    "origin": 403,
    "not-granted": 403,
    "banned": 403,
    "locked": 403,
    "author": 403,
    "not-found": 404,
    "unknown-site": 404,
    "comment": 404,
    "conflict": 409,
    "window": 409,
    "key": 409,
    "content-too-large": 413,
    "uri-too-long": 414,
    "other-deployment": 421,
    "unprocessable": 422,
    "text-empty": 422,
    "text-too-long": 422,
    "name-empty": 400,
    "name-too-long": 400,
    "parent": 422,
    "depth": 422,
    "too-fast": 429,
    "internal": 500,
    "unavailable": 503,
}
