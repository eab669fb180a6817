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
        bool,
        Meta(
            title="Reviews are open",
            description="Allow new reviews and edits. Off: everything stays readable.",
        ),
    ] = True
    writers: Annotated[
        Literal["everyone", "signed-in", "buyers"],
        Meta(
            title="Who writes reviews",
            description=(
            "Who can write reviews. everyone: whoever can write on the site; signed-in: visitors who signed in; "
            "buyers: only with an order link."
            ),
            extra={"choices": {
                "everyone": "everyone",
                "signed-in": "visitors who signed in",
                "buyers": "buyers with the link of an order",
            }},
        ),
    ] = "everyone"
    fields: Annotated[
        str,
        Meta(
            title="Fields of the form",
            max_length=120, pattern=rf"^( *{_FIELD}([ ,]+|$))*$",
            description="Fields of the form besides the stars: " + ", ".join(FIELDS),
        ),
    ] = "title pros cons text recommend experienced"
    criteria: Annotated[
        str,
        Meta(
            title="Criteria",
            max_length=1_000, pattern=rf"^( *{_NAMED} *(;|$) *)*$",
            description="Criteria with their own stars: quality: Quality; value: Value for money",
        ),
    ] = ""
    attributes: Annotated[
        str,
        Meta(
            title="Attributes",
            max_length=2_000, pattern=rf"^( *{_NAMED} *=[^;:=]{{1,400}}(;|$) *)*$",
            description=(
            "Attributes with values to choose from: fit: Fit = small, right, large; use: Used for = work, travel"
            ),
        ),
    ] = ""
    sort: Annotated[
        Literal["helpful", "new"],
        Meta(
            title="Default order",
            description="Default order: most helpful or newest first.",
            extra={"choices": {
                "helpful": "most helpful",
                "new": "newest",
            }},
        ),
    ] = "helpful"
    max_length: Annotated[
        int,
        Meta(
            title="Longest review",
            ge=1, le=10_000, description="Longest text of a review, in characters.",
        ),
    ] = 5_000
    votes: Annotated[
        bool,
        Meta(
            title="Helpful votes",
            description="Allow helpful votes on reviews.",
        ),
    ] = True
    questions: Annotated[
        bool,
        Meta(
            title="Questions and answers",
            description="Allow questions and answers below the reviews.",
        ),
    ] = False
    history: Annotated[
        bool,
        Meta(
            title="Edit history",
            description="Show earlier versions of an edited review to readers.",
        ),
    ] = False
    moderator_mail: Annotated[
        Literal["off", "pending", "low", "all"],
        Meta(
            title="Mail to moderators",
            description=(
            "Mail about reviews to the address of the moderators. off; pending: what waits for approval; low: also "
            "reviews with one or two stars; all: every review."
            ),
            extra={"choices": {
                "off": "none",
                "pending": "what waits for approval",
                "low": "also reviews with one or two stars",
                "all": "every review",
            }},
        ),
    ] = "off"
    feed: Annotated[
        Literal["off", "private", "public"],
        Meta(
            title="Feed of product ratings",
            description=(
            "The feed of product ratings for Google Merchant Center. off; private: at an address with a key; public: "
            "for everybody."
            ),
            extra={"choices": {
                "off": "none",
                "private": "at an address with a key",
                "public": "for everybody",
            }},
        ),
    ] = "off"

    requests: Annotated[
        Literal["off", "consent", "customer"],
        Meta(
            title="Requests by mail",
            description=(
            "Ask buyers for reviews by mail, and the legal ground that the site confirms. off; consent: they "
            "agreed; customer: they were told at the purchase that they can object."
            ),
            extra={"choices": {
                "off": "none",
                "consent": "to buyers who consented",
                "customer": "to customers who can object",
            }},
        ),
    ] = "off"
    request_days: Annotated[
        int,
        Meta(
            title="Days until the request",
            ge=0, le=90, description="Days from the order's event to the review request.",
        ),
    ] = 14
    reminder_days: Annotated[
        int,
        Meta(
            title="Days until the reminder",
            ge=0, le=90, description="Days from the request to the single reminder. 0: no reminder.",
        ),
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
            "review_history": self.history,
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
