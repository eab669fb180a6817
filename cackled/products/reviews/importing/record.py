"""A review of another system."""

from __future__ import annotations

from typing import Literal

from cackled.importing.records import Item

State = Literal["approved", "pending", "spam", "rejected"]


class ImportedReview(Item, frozen=True, kw_only=True):
    """A review.

    ``star`` None: it was never rated. ``origin``: what people call the system it comes from. ``verified``: that system
    says that it was bought. ``media``: addresses of images. ``reply``: the owner's answer, ``replied`` in seconds since
    1970.
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
