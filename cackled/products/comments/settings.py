"""What a site's owner may choose for comments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from cackled.domain.settings import ProductSettings


class CommentSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of comments; times in seconds, lengths in characters."""

    level: Annotated[
        int,
        Meta(
            ge=0, le=20,
            description="how deep answers are indented; an answer to one at that depth is refused; 0: no answers",
        ),
    ] = 5
    edit_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="how long an author may change a comment; 0: not at all")
    ] = 900
    max_length: Annotated[int, Meta(ge=1, le=10_000, description="characters of a comment")] = 8_000
    posting: Annotated[
        bool, Meta(description="whether comments may be written and changed; no: everything stays readable")
    ] = True
    votes: Annotated[bool, Meta(description="whether there are votes")] = True
    deletion: Annotated[
        Literal["stone", "thread", "childless", "staff"],
        Meta(
            description="what deleting one's own comment does: a stone without words stays where it was answered; all "
            "answers go too; refused where it was answered; only moderators delete"
        ),
    ] = "stone"
    nudge: Annotated[
        bool,
        Meta(description="whether authors are asked once to change words that would be held for a moderator"),
    ] = False

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {
            "level": self.level,
            "edit_seconds": self.edit_seconds,
            "max_length": self.max_length,
            "votes": self.votes,
            "deletion": self.deletion,
        }


# They stood beside the core's once.
OLD = ("level", "edit_seconds", "max_length", "posting", "votes")
