"""What a site's owner may choose for all polls."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cackled.domain.settings import ProductSettings


class PollSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of polls; all else is chosen for each poll."""

    voting: Annotated[
        bool,
        Meta(
            title="Voting is open",
            description="Allow votes and their withdrawal. Off: all polls are read-only.",
        ),
    ] = True

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {"poll_voting": self.voting}
