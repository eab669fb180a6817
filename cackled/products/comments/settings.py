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
            title="Levels of replies",
            ge=0, le=20,
            description="Levels of nested replies. Replies below the deepest level are refused. 0: no replies.",
        ),
    ] = 5
    edit_seconds: Annotated[
        int,
        Meta(
            title="Seconds for edits",
            ge=0, le=86_400, description="Seconds during which authors can edit a comment. 0: never.",
        ),
    ] = 900
    max_length: Annotated[
        int,
        Meta(
            title="Longest comment",
            ge=1, le=10_000, description="Longest comment, in characters.",
        ),
    ] = 8_000
    posting: Annotated[
        bool,
        Meta(
            title="Comments are open",
            description="Allow new comments and edits. Off: everything stays readable.",
        ),
    ] = True
    votes: Annotated[
        bool,
        Meta(
            title="Votes",
            description="Allow votes on comments.",
        ),
    ] = True
    reactions: Annotated[
        str,
        Meta(
            title="Reactions",
            max_length=400, pattern=REACTIONS,
            description=(
            "Reactions to comments: up to 12 names, each with the symbol shown for it, separated by commas. "
            "Empty: none."
            ),
        ),
    ] = "like 👍, love ❤️, laugh 😄, wow 😮, sad 😢, thanks 🙏"
    deletion: Annotated[
        Literal["stone", "thread", "childless", "staff"],
        Meta(
            title="Deleting own comments",
            description=(
            "What happens when authors delete a comment. stone: a placeholder stays if there are replies; "
            "thread: the replies are deleted as well; childless: refused if there are replies; staff: only "
            "moderators can delete."
            ),
            extra={"choices": {
                "stone": "a placeholder stays if there are replies",
                "thread": "replies are deleted as well",
                "childless": "refused if there are replies",
                "staff": "only moderators can delete",
            }},
        ),
    ] = "stone"
    nudge: Annotated[
        bool,
        Meta(
            title="Ask to reconsider",
            description="Ask authors once to reword a comment that would be held for moderation.",
        ),
    ] = False

    math: Annotated[
        bool,
        Meta(
            title="Formulas",
            description="Show TeX between dollar signs as formulas.",
        ),
    ] = False

    previews: Annotated[
        bool,
        Meta(
            title="Link previews",
            description="Show title and picture of linked pages below comments. Our server asks those pages for them.",
        ),
    ] = False

    gifs: Annotated[
        str,
        Meta(
            title="Search for GIFs",
            max_length=500, pattern=r"^(https?://[!-~]{1,200}/[!-~]*\{q\}[!-~]*)?$",
            description=(
            "Address of a search on a server of yours, with {q} where the words go; see docs/comments.md. Visitors "
            "must be allowed to add pictures. Empty: none."
            ),
        ),
    ] = ""

    push_worker: Annotated[
        str,
        Meta(
            title="Push notifications",
            max_length=200, pattern=r"^(/[!-~]*)?$",
            description=(
            "Path of the service worker file on your site, as /cackled-push.js; readers can then turn push "
            "notifications on. Empty: none."
            ),
        ),
    ] = ""

    @property
    def shown_reactions(self) -> dict[str, str]:
        """What readers react with, by name, in its order: what is shown for each."""
        pairs = [one.split() for one in self.reactions.split(",") if one.strip()]
        return {pair[0]: pair[-1] for pair in pairs}

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        told: dict[str, Any] = {
            "level": self.level,
            "edit_seconds": self.edit_seconds,
            "max_length": self.max_length,
            "votes": self.votes,
            "deletion": self.deletion,
            "reactions": list(self.shown_reactions.items()),
        }
        more = {"math": self.math, "previews": self.previews, "gifs": bool(self.gifs), "push_worker": self.push_worker}
        return told | {name: value for name, value in more.items() if value}


# They stood beside the core's once.
OLD = ("level", "edit_seconds", "max_length", "posting", "votes")
