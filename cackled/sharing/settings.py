"""What a site's owner may choose of sharing comments to social networks."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cackled.domain.settings import ProductSettings

_SERVER = "^(https?://[!-~]*[^!-.:-@/])?$"


class SharingSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Networks that visitors may connect. VK and X know the site by a client of its own, and are offered where there is
    one."""

    mastodon: Annotated[
        bool,
        Meta(
            title="Mastodon",
            description="Visitors can share their comments with their own Mastodon accounts.",
        ),
    ] = False
    mastodon_server: Annotated[
        str,
        Meta(
            title="Mastodon instance",
            max_length=200, pattern=_SERVER,
            description="Address of the one instance whose accounts are taken. Empty: visitors name theirs.",
        ),
    ] = ""

    def offered(self) -> tuple[str, ...]:
        """The networks that visitors may connect, in their order."""
        return ("mastodon",) if self.mastodon else ()

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        found = self.offered()
        return {"sharing": list(found)} if found else {}
