"""Accounts for the console: `cackled.admin.console.AccountArea`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cackled.accounts.deleted_accounts import Forgetting
from cackled.accounts.links import AccountLinks
from cackled.accounts.store import Account, People, check_role, link_address
from cackled.domain.audit import Audit
from cackled.domain.commands import CommandError, Facts, Table
from cackled.domain.errors import Refused
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory


class Accounts:
    """*shared* has what accounts are kept with; *base* is the URL that links begin with."""

    def __init__(self, sites: SiteDirectory, shared: Mapping[type, Any], base: str) -> None:
        self._sites = sites
        self._people: People = shared[People]
        self._links: AccountLinks = shared[AccountLinks]
        self._forgetting: Forgetting = shared[Forgetting]
        self._base = base

    async def accounts(self) -> Table:
        """One row per account."""
        return [
            {"account": str(one.id), "email": one.email, "name": one.name or "-", "sites": one.sites or "-",
             "signed_in": one.seen or "never"}
            for one in await self._people.listed()
        ]  # fmt: skip

    async def add(self, email: str, role: str, site: int) -> Facts:
        """An account with that role on a site (``""``: with none), and a link that signs its owner in, once."""
        try:
            known = self._site(site) if role else None
            if role:
                check_role(role)
            account = await self._people.add(email)
            if known is not None:
                await self._people.appoint(site, account.id, role)
                await Audit(known, self._people.database).record(
                    "console", "member.added", f"account:{account.id}", role=role
                )
        except Refused as error:
            raise CommandError(str(error)) from None
        return await self._linked(account)

    async def link(self, email: str) -> Facts:
        """Another such link."""
        return await self._linked(await self._known(email))

    async def remove(self, email: str) -> str:
        """Delete the account; returns what was done."""
        account = await self._known(email)
        try:
            await self._forgetting.remove(account.id)
        except Refused as error:
            raise CommandError(str(error)) from None
        return f"the account of {account.email} is deleted"

    async def _linked(self, account: Account) -> Facts:
        token = await self._links.make(account.id, "welcome")
        return {
            "account": str(account.id),
            "email": account.email,
            "link": link_address(self._base, token),
            "works": "once, within 7 days",
        }

    async def _known(self, email: str) -> Account:
        account = await self._people.by_email(email)
        if account is None:
            raise CommandError(f"there is no account of {email[:60]}")
        return account

    def _site(self, site: int) -> Site:
        return self._sites.get(site)
