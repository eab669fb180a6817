"""What a site's owner may choose for live chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from cackled.domain.settings import ProductSettings


class ChatSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of chat; times in seconds or days, lengths in characters."""

    enabled: Annotated[bool, Meta(title="Live chat", description="Allow visitors to start conversations.")] = False
    offline: Annotated[
        bool,
        Meta(
            title="Messages while nobody is there",
            description="Take messages while no operator is online. They wait for an answer.",
        ),
    ] = True
    greeting: Annotated[
        str,
        Meta(
            title="Greeting",
            max_length=300, description="Text shown before a conversation starts. Empty: a standard greeting.",
        ),
    ] = ""
    consent: Annotated[
        str,
        Meta(
            title="Consent",
            max_length=500, description="Text that visitors have to agree to before they write. Empty: none.",
        ),
    ] = ""
    max_length: Annotated[
        int,
        Meta(
            title="Longest message",
            ge=1, le=10_000, description="Longest message, in characters.",
        ),
    ] = 4_000
    edit_seconds: Annotated[
        int,
        Meta(
            title="Time to edit",
            ge=0, le=3_600, description="Seconds during which a message can be edited or deleted. 0: never.",
        ),
    ] = 300
    assignee_only: Annotated[
        bool,
        Meta(
            title="One operator per conversation",
            description="Only the operator who has a conversation can answer it.",
        ),
    ] = False
    mail_minutes: Annotated[
        int,
        Meta(
            title="Answers by mail",
            ge=0, le=1_440,
            description="Minutes after which an answer that the visitor has not read is sent by mail. 0: never.",
        ),
    ] = 5
    offer_seconds: Annotated[
        int,
        Meta(
            title="Time to take a conversation",
            ge=0, le=3_600,
            description="Seconds an operator has to answer or take an assigned conversation before it goes back to the "
            "queue. 0: no limit.",
        ),
    ] = 120
    bot: Annotated[
        bool,
        Meta(
            title="Bot",
            description="A program of yours answers first, with a key of the scope chat. What it leaves without an "
            "answer for 30 seconds goes to operators.",
        ),
    ] = False
    rush: Annotated[
        int,
        Meta(
            title="Starts per minute",
            ge=0, le=100_000,
            description="Starts per minute above which browsers have to do some work first. 0: no limit.",
        ),
    ] = 60
    translate_url: Annotated[
        str,
        Meta(
            title="Translator",
            max_length=2_000,
            description="Address of your own server that translates messages for operators. Empty: none.",
            extra={"address": True},
        ),
    ] = ""
    translate_secret: Annotated[
        str,
        Meta(
            title="Translator's secret",
            max_length=512, description="Secret that signs requests to translate_url.",
        ),
    ] = ""
    rating: Annotated[bool, Meta(title="Ratings", description="Ask visitors to rate a conversation at its end.")] = True
    keep_days: Annotated[
        int,
        Meta(
            title="Retention",
            ge=1, le=3_650, description="Days after which closed conversations are deleted.",
        ),
    ] = 365

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {"chat": self.enabled}

    def stored(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """How long conversations are kept."""
        return (("chatDays", {"n": self.keep_days}),)
