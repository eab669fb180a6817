"""What a site's owner may choose of sharing comments to social networks."""

from __future__ import annotations

from collections.abc import Sequence
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

    bluesky: Annotated[
        bool,
        Meta(
            title="Bluesky",
            description="Visitors can share their comments with their own Bluesky accounts.",
        ),
    ] = False
    bluesky_server: Annotated[
        str,
        Meta(
            title="Bluesky server",
            max_length=200, pattern=_SERVER,
            description="Address of the one server whose accounts are taken. Empty: visitors name their account.",
        ),
    ] = ""
    vk_client: Annotated[
        str,
        Meta(
            title="VK: app id",
            max_length=100, pattern="^[0-9]*$",
            description=(
            "Number of the site's app at VK ID, which needs the permission wall there. Visitors can then share their "
            "comments on their walls. Empty: VK is not offered."
            ),
        ),
    ] = ""
    x_client: Annotated[
        str,
        Meta(
            title="X: client id",
            max_length=200, pattern="^[!-~]*$",
            description=(
            "OAuth 2.0 client id of the site's app at X. Visitors can then share their comments there. Empty: X is not "
            "offered."
            ),
        ),
    ] = ""
    x_secret: Annotated[
        str,
        Meta(
            title="X: client secret",
            max_length=200, pattern="^[!-~]*$",
            description="Client secret of an app at X that is confidential. Empty for a public one.",
        ),
    ] = ""

    def offered(self) -> tuple[str, ...]:
        """The networks that visitors may connect, in their order."""
        there = {"mastodon": self.mastodon, "bluesky": self.bluesky, "vk": self.vk_client, "x": self.x_client}
        return tuple(name for name, on in there.items() if on)

    def stored(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """That accounts are connected, where they can be."""
        return (("storedSharing", {}),) if self.offered() else ()

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        found = self.offered()
        return {"sharing": list(found)} if found else {}
