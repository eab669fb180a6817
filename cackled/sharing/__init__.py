"""Sharing comments with visitors' own accounts at social networks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cackled.clock import wall_time
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.database.row_counts import Counted
from cackled.domain.erasure import Erasable
from cackled.domain.outbox import Work
from cackled.domain.personal_data import FOREVER, Held
from cackled.domain.shareable import Shareable
from cackled.identity.sealing import Sealing
from cackled.products.product import Feature, Limit, OutboxParts
from cackled.sharing.api import ROUTES
from cackled.sharing.atproto import Directory
from cackled.sharing.bluesky import Bluesky
from cackled.sharing.connecting import Sharing
from cackled.sharing.mastodon import Mastodon
from cackled.sharing.network import Asking, Network
from cackled.sharing.proofs import ClientKey
from cackled.sharing.sending import Sending
from cackled.sharing.service import Shares
from cackled.sharing.settings import SharingSettings
from cackled.sharing.store import EXPIRE_SHARES
from cackled.sharing.vk import Vk
from cackled.sharing.x import X

ERASABLE = Erasable(
    steps=(Query("erase_shares", "select channel, seq from erase_shares($1, $2, $3)", ("int", "bigint", "int")),),
    # What was shared is a product's, which forgets the visitor itself.
    channels=Query("select_share_channels", "select null::bigint where $1 + $2 < 0", ("int", "bigint")),
)
HELD = (
    Held(table="share_account", what="accounts elsewhere that they connected for sharing", until=FOREVER,
         secret=("sealed", "version", "refreshing")),
    Held(table="share", what="what they shared elsewhere", until="90 days"),
)  # fmt: skip


async def _nothing(name: str) -> list[str]:
    return []


def make_networks(
    http: Any, database: Database, secret: Callable[[str], Awaitable[bytes]],
    text_records: Callable[[str], Awaitable[list[str]]] = _nothing,
) -> dict[str, Network]:  # fmt: skip
    """All networks there are, by name. *secret* gives a key that all nodes share; *text_records* are needed to connect
    an account."""
    asking = Asking(http)
    bluesky = Bluesky(asking, Directory(asking, text_records), ClientKey(secret, wall_time), wall_time)
    made: tuple[Network, ...] = (
        Mastodon(asking, database, Sealing(secret)), bluesky, Vk(asking), X(asking),
    )  # fmt: skip
    return {one.name: one for one in made}


def make_feature(shareables: Sequence[Shareable]) -> Feature:
    """Sharing of what products declare in *shareables*."""
    kinds = {one.kind: one for one in shareables}

    def make_sending(parts: OutboxParts) -> Sending:
        sealing = Sealing(parts.sites.secret)
        networks = make_networks(parts.http, parts.database, parts.sites.secret)
        return Sending(parts.sites, parts.database, sealing, networks, kinds)

    def share(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
        return make_sending(parts).share

    def revoke(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
        return make_sending(parts).revoke

    return Feature(
        name="sharing",
        routes=ROUTES,
        settings=SharingSettings,
        services={Shares: lambda parts, site: Shares(site, parts.database, kinds)},
        shared={
            Sharing: lambda parts: Sharing(
                make_networks(parts.http, parts.database, parts.sites.secret, parts.text_records), parts.database,
                Sealing(parts.sites.secret), parts.wall_time,
            ),
        },
        limits=(
            Limit(name="connect", rate=0.2, burst=20, site_rate=10),
            Limit(name="share", rate=0.2, burst=20, site_rate=20),
        ),
        outbox={"share": share, "share-revoke": revoke},
        problems={"not-connected": 404, "not-public": 422},
        jobs=(EXPIRE_SHARES,),
        sql=__name__,
        counted=(Counted(table="share_account", word="accounts for sharing", kept=False),
                 Counted(table="share", word="shares", kept=False)),
        erase=ERASABLE,
        held=HELD,
    )
