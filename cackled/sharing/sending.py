"""The outbox's work of kinds ``share`` and ``share-revoke``: a comment goes to a network, tokens go back to it.

A comment is read when it is sent: what is gone by then is not shared, and what waits again goes when it is approved.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from twisted.logger import Logger

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.outbox import Retry, Work
from cackled.domain.page_links import site_page
from cackled.domain.shareable import Shareable
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.identity.sealing import Sealing
from cackled.sharing.network import PASSING, Network, Post, Posted, ShareFailed
from cackled.sharing.service import Item, Shares, open_to_all
from cackled.sharing.settings import SharingSettings
from cackled.sharing.store import (
    COUNT_TRY,
    DROP_SHARE,
    END_SHARE,
    HOLD_SHARE,
    SELECT_SHARE,
    Accounts,
    Opened,
    Share,
    unseal,
)

log = Logger()

# With the outbox's waits a quarter of an hour: networks remember a key for an hour at least. Then the author may say
# whether to go on.
MOST_TRIES = 8
MOST_REVOKES = 5
RELEASE = Query("release_shares", "select release_shares($1, $2)", ("int", "text"))


class _What(Struct, frozen=True):
    item: str
    network: str


class _Old(Struct, frozen=True):
    network: str
    server: str
    sealed: str


class Sending:
    """Both handlers, of all sites."""

    def __init__(
        self, sites: SiteDirectory, database: Database, sealing: Sealing, networks: Mapping[str, Network],
        kinds: Mapping[str, Shareable],
    ) -> None:  # fmt: skip
        self._sites = sites
        self._database = database
        self._sealing = sealing
        self._networks = networks
        self._kinds = kinds

    async def revoke(self, work: Work) -> None:
        """Give tokens back. Where the network does not want them, they are forgotten all the same."""
        site, told = self._sites.find(work.site), msgspec.json.decode(work.body, type=_Old)
        network = self._networks.get(told.network)
        if site is None or network is None:
            return
        tokens = await unseal(self._sealing, site.id, told.network, told.server, bytes.fromhex(told.sealed))
        if tokens is None:
            return
        try:
            await network.revoke(site, told.server, tokens)
        except ShareFailed as error:
            if error.reason in PASSING and work.tries < MOST_REVOKES:
                raise Retry(str(error)) from None

    async def share(self, work: Work) -> None:
        """Hand a comment over.

        Raises:
            Retry
        """
        site, what = self._sites.find(work.site), msgspec.json.decode(work.body, type=_What)
        network = self._networks.get(what.network)
        if site is None or network is None:
            return
        database = self._database.site(site.id)
        key = site.id, what.item, what.network
        rows = (await database.read(SELECT_SHARE, *key, preference=ReadPreference.PRIMARY)).rows
        share = Share(*rows[0]) if rows else None
        if share is None or share.state != "waiting":
            return
        item = await Shares(site, self._database, self._kinds).find(what.item)
        if item is None or item.state == "gone":
            await database.write(DROP_SHARE, *key)
            return
        if item.state == "held":
            await database.write(HOLD_SHARE, *key)
            # It may have been approved meanwhile.
            again = await Shares(site, self._database, self._kinds).find(what.item)
            if again is not None and again.state == "shown":
                await database.write(RELEASE, site.id, what.item)
            return
        tries = (await database.write(COUNT_TRY, *key) or [(MOST_TRIES,)])[0][0]
        try:
            posted = await self._post(site, network, share, item)
        except ShareFailed as error:
            if error.reason in PASSING and tries < MOST_TRIES:
                raise Retry(str(error)) from None
            log.info("sharing {item} of site {site} with {network} failed: {reason}",
                     item=what.item, site=site.id, network=what.network, reason=str(error)[:300])  # fmt: skip
            await database.write(END_SHARE, *key, "failed", error.reason, "")
            return
        await database.write(END_SHARE, *key, "sent", "", posted.url)

    async def _post(self, site: Site, network: Network, share: Share, item: Item) -> Posted:
        if network.name not in site.product(SharingSettings).offered():
            raise ShareFailed("broken", "the site offers it no more")
        page = site_page(site, item.url)
        if not page or not open_to_all(site, item.key):
            raise ShareFailed("private", "strangers may not read it")
        kind, _, number = share.item.partition(":")
        link = f"{page}#{self._kinds[kind].anchor}{number}"
        post = Post(item.html, link, f"cackled-{site.id}-{kind}-{number}", item.at)
        accounts = Accounts(site, self._database, self._sealing)
        account = await accounts.open(share.visitor, network.name)
        if account is None or account.lost:
            raise ShareFailed("lost", "no account is connected any more")
        try:
            posted = await network.post(site, account.server, account.tokens, post)
        except ShareFailed as error:
            if error.reason == "lost":
                await accounts.free(share.visitor, account, lost=True)
            if error.reason != "expired":
                raise
            account = await self._renewed(site, network, accounts, share.visitor, account)
            try:
                posted = await network.post(site, account.server, account.tokens, post)
            except ShareFailed as error:
                if error.reason not in ("expired", "lost"):
                    raise
                await accounts.free(share.visitor, account, lost=True)
                raise ShareFailed("lost", str(error)) from None
        if posted.name and posted.name != account.name:
            await accounts.rename(share.visitor, network.name, posted.name)
        return posted

    async def _renewed(
        self, site: Site, network: Network, accounts: Accounts, visitor: int, old: Opened
    ) -> Opened:
        """The account with new tokens. They are got once, whoever needs them: a refresh token is good once."""
        if not await accounts.claim(visitor, old):
            found = await accounts.open(visitor, network.name)
            if found is None or found.lost:
                raise ShareFailed("lost", "no account is connected any more")
            if found.version == old.version:
                raise ShareFailed("down", "somebody else is getting new tokens")
            return found
        try:
            tokens = await network.refresh(site, old.server, old.tokens)
        except ShareFailed as error:
            await accounts.free(visitor, old, lost=error.reason == "lost")
            raise
        if not await accounts.renew(visitor, old, tokens):
            raise ShareFailed("down", "another account was connected meanwhile")
        return Opened(old.network, old.server, old.name, False, tokens, old.version + 1)
