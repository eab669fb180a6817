"""A review of another system."""

from __future__ import annotations

from typing import Any, Literal

from cackled.importing.records import Item

State = Literal["approved", "pending", "spam", "rejected", "deleted"]
Kind = Literal["review", "question", "answer"]
KINDS: tuple[Kind, ...] = ("review", "question", "answer")


class ImportedReview(Item, frozen=True, kw_only=True):
    """A review.

    ``star`` None: it was never rated. ``origin``: what people call the system it comes from. ``verified``: that system
    says that it was bought. ``media``: addresses of images. ``reply``: the owner's answer, ``replied`` in seconds since
    1970.

    ``whole``: it comes from an export of ours, which has more: ``kind``, ``experienced``, ``attributes``. ``own``: as
    this server wrote it; then ``rest`` has what nobody else's file can say (`kept`), as JSON values.
    """

    origin: str
    star: int | None = None
    title: str = ""
    pros: str = ""
    cons: str = ""
    text: str = ""
    html: bool = False
    recommend: bool | None = None
    criteria: tuple[tuple[str, int], ...] = ()
    variant: str = ""
    media: tuple[str, ...] = ()
    verified: bool = False
    incentivized: bool = False
    state: State = "approved"
    up: int = 0
    down: int = 0
    reply: str = ""
    replied: float | None = None
    whole: bool = False
    own: bool = False
    kind: Kind = "review"
    experienced: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    edited: float | None = None
    rest: dict[str, Any] = {}
