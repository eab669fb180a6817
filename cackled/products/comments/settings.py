"""What a site's owner may choose for comments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from cackled.domain.settings import ProductSettings

LONGEST_REACTION = 32
# A name alone, which is then shown itself, or a name and what is shown.
_REACTION = rf"[^\s,]{{1,{LONGEST_REACTION}}}( +[^\s,]{{1,{LONGEST_REACTION}}})?"
REACTIONS = rf"^( *{_REACTION} *(,|$)){{0,12}} *$"


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
    reactions: Annotated[
        str,
        Meta(
            max_length=400, pattern=REACTIONS,
            description="what readers react with: up to 12 names, each with what is shown for it, apart by commas; "
            "empty: nothing",
        ),
    ] = "like 👍, love ❤️, laugh 😄, wow 😮, sad 😢, thanks 🙏"
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

    @property
    def shown_reactions(self) -> dict[str, str]:
        """What readers react with, by name, in its order: what is shown for each."""
        pairs = [one.split() for one in self.reactions.split(",") if one.strip()]
        return {pair[0]: pair[-1] for pair in pairs}

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {
            "level": self.level,
            "edit_seconds": self.edit_seconds,
            "max_length": self.max_length,
            "votes": self.votes,
            "deletion": self.deletion,
            "reactions": list(self.shown_reactions.items()),
        }


# They stood beside the core's once.
OLD = ("level", "edit_seconds", "max_length", "posting", "votes")
