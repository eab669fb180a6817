"""What a site's owner may choose for reviews."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cackled.domain.settings import ProductSettings

FIELDS = ("title", "pros", "cons", "text", "recommend", "experienced", "variant", "media")
_FIELD = "(" + "|".join(FIELDS) + ")"
_NAMED = r"[a-z][a-z0-9_-]{0,29} *: *[^;:=,]{1,60}"


class Named(Struct, frozen=True):
    """A criterion, or an attribute with the ``values`` that there are to choose from."""

    id: str
    name: str
    values: list[str] = []


class ReviewSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of reviews; lengths in characters."""

    posting: Annotated[
        bool, Meta(description="whether reviews may be written and changed; no: everything stays readable")
    ] = True
    writers: Annotated[
        Literal["everyone", "signed-in", "buyers"],
        Meta(
            description="who writes reviews: everyone who may write on the site; only who signed in; only who comes "
            "with the link of an order"
        ),
    ] = "everyone"
    fields: Annotated[
        str,
        Meta(
            max_length=120, pattern=rf"^( *{_FIELD}([ ,]+|$))*$",
            description="what the form asks for beside the stars: " + ", ".join(FIELDS),
        ),
    ] = "title pros cons text recommend experienced"
    criteria: Annotated[
        str,
        Meta(
            max_length=1_000, pattern=rf"^( *{_NAMED} *(;|$) *)*$",
            description="what is rated besides, with stars of its own: quality: Quality; value: Value for money",
        ),
    ] = ""
    attributes: Annotated[
        str,
        Meta(
            max_length=2_000, pattern=rf"^( *{_NAMED} *=[^;:=]{{1,400}}(;|$) *)*$",
            description="what is told by a choice: fit: Fit = small, right, large; use: Used for = work, travel",
        ),
    ] = ""
    sort: Annotated[
        Literal["helpful", "new"], Meta(description="the order at first: what helped most, or the newest")
    ] = "helpful"
    max_length: Annotated[int, Meta(ge=1, le=10_000, description="characters of the text of a review")] = 5_000
    votes: Annotated[bool, Meta(description="whether visitors say that a review helped")] = True
    questions: Annotated[bool, Meta(description="whether there are questions and answers below the reviews")] = False

    requests: Annotated[
        Literal["off", "consent", "customer"],
        Meta(
            description="whether buyers are asked for reviews by mail, and on which legal ground, which choosing it "
            "confirms: off; they consented; they are customers who were told at the purchase that they can object"
        ),
    ] = "off"
    request_days: Annotated[
        int, Meta(ge=0, le=90, description="days from the event of an order to the request for a review")
    ] = 14
    reminder_days: Annotated[
        int, Meta(ge=0, le=90, description="days from the request to the one reminder; 0: none")
    ] = 7

    @property
    def asked(self) -> frozenset[str]:
        """What the form asks for beside the stars."""
        return frozenset(self.fields.replace(",", " ").split())

    @property
    def rated(self) -> list[Named]:
        """The criteria."""
        return [Named(id_, name) for id_, name, _ in _parsed(self.criteria)]

    @property
    def chosen(self) -> list[Named]:
        """The attributes."""
        return [Named(id_, name, values) for id_, name, values in _parsed(self.attributes)]

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {
            "review_posting": self.posting,
            "review_writers": self.writers,
            "review_fields": [one for one in FIELDS if one in self.asked],
            "review_criteria": [{"id": one.id, "name": one.name} for one in self.rated],
            "review_attributes": self.chosen,
            "review_sort": self.sort,
            "review_votes": self.votes,
            "review_questions": self.questions,
            "review_max_length": self.max_length,
        }


def _parsed(text: str) -> list[tuple[str, str, list[str]]]:
    """``id: Name = value, value; ..``, each id once."""
    found: dict[str, tuple[str, str, list[str]]] = {}
    for part in text.split(";"):
        id_, colon, rest = part.partition(":")
        name, _, values = rest.partition("=")
        if colon:
            given = [one.strip() for one in values.split(",") if one.strip()]
            found.setdefault(id_.strip(), (id_.strip(), name.strip(), given))
    return list(found.values())
