"""What a site's owner may choose for live chat."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cackled.domain.settings import ProductSettings


class ChatSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of chat; times in seconds or days, lengths in characters."""

    enabled: Annotated[bool, Meta(description="Allow visitors to start conversations.")] = False
    offline: Annotated[
        bool, Meta(description="Take messages while no operator is online. They wait for an answer.")
    ] = True
    greeting: Annotated[
        str, Meta(max_length=300, description="Text shown before a conversation starts. Empty: a standard greeting.")
    ] = ""
    consent: Annotated[
        str, Meta(max_length=500, description="Text that visitors have to agree to before they write. Empty: none.")
    ] = ""
    max_length: Annotated[int, Meta(ge=1, le=10_000, description="Longest message, in characters.")] = 4_000
    edit_seconds: Annotated[
        int, Meta(ge=0, le=3_600, description="Seconds during which a message can be edited or deleted. 0: never.")
    ] = 300
    assignee_only: Annotated[
        bool, Meta(description="Only the operator who has a conversation can answer it.")
    ] = False
    rating: Annotated[bool, Meta(description="Ask visitors to rate a conversation at its end.")] = True
    keep_days: Annotated[
        int, Meta(ge=1, le=3_650, description="Days after which closed conversations are deleted.")
    ] = 365

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {"chat": self.enabled}
