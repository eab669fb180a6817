"""What a site's owner says about chat beyond its settings: greeting, forms and invitations."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Words = Annotated[str, Meta(max_length=200)]


class Field(Struct, frozen=True):
    """A field of a form. ``options``: of a ``choice``."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    label: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Literal["text", "mail", "phone", "long", "choice", "check"] = "text"
    required: bool = False
    options: Annotated[list[Words], Meta(max_length=50)] = []


class GreetingSetup(Struct, frozen=True):
    """What is shown before a conversation starts, and as whose words."""

    text: Annotated[str, Meta(max_length=300)] = ""
    name: Annotated[str, Meta(max_length=60)] = ""
    avatar: Annotated[str, Meta(max_length=2_000)] = ""


class Rule(Struct, frozen=True):
    """An invitation, and when it is shown: all that is said must hold; what is empty or null does not matter.

    ``address``: a part or pattern of the page's address; ``seconds`` there; ``pages`` of the visit; ``returning``: who
    was here before; ``scroll``: percent of the page; ``exit``: the pointer leaves the page.
    ``other``: a second text, which half of the visits are shown instead, so that both can be compared.
    """

    id: Annotated[str, Meta(min_length=1, max_length=40)]
    text: Annotated[str, Meta(min_length=1, max_length=300)]
    name: Words = ""
    on: bool = True
    address: Words = ""
    seconds: Annotated[int, Meta(ge=0, le=86_400)] = 0
    pages: Annotated[int, Meta(ge=0, le=1_000)] = 0
    referrer: Words = ""
    returning: bool | None = None
    in_hours: bool = False
    countries: Annotated[list[Annotated[str, Meta(pattern="^[A-Z]{2}$")]], Meta(max_length=250)] = []
    scroll: Annotated[int, Meta(ge=0, le=100)] | None = None
    exit: bool = False
    other: Annotated[str, Meta(max_length=300)] = ""


class Setup(Struct, frozen=True):
    """Forms before a conversation and while nobody is there, greeting, terms to agree to, and invitations."""

    greeting: GreetingSetup = GreetingSetup()
    before: Annotated[list[Field], Meta(max_length=20)] = []
    offline: Annotated[list[Field], Meta(max_length=20)] = []
    consent: Annotated[str, Meta(max_length=500)] = ""
    invitations: Annotated[list[Rule], Meta(max_length=50)] = []
