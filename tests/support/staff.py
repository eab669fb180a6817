"""Accounts with a role, and clients that are signed in, for tests of routes for staff.

    ann = await sign_in(self, "moderator")                      # an account on site 1 of an `ApiCase`
    answer = await ann.ask("GET", "/api/v1/sites/1/moderation/items")
    key = await site_key(self, ["moderate"])                     # a server with a key of site 1
    answer = await key.ask("POST", "/api/v1/sites/1/moderation/actions", {..})
"""

from __future__ import annotations

from typing import Any

from argon2 import PasswordHasher

from cackled.accounts.keys import SiteKeys
from cackled.accounts.sessions import AccountSessions
from cackled.accounts.signin import SignIn
from cackled.accounts.store import People

PASSWORD = "correct horse battery"
# What a page of the daemon's own sends, as `ApiCase.ask` names the host.
OWN = {"origin": "http://localhost", "x_cackled_panel": "1", "sec_fetch_site": "same-origin"}
COOKIE = "cackled-local-session"


class StaffClient:
    """Somebody who is signed in, or a server with a key: sends what a page of the panel, or the server, sends."""

    def __init__(self, case: Any, account: int, name: str, headers: dict[str, str]) -> None:
        self._case = case
        self.account = account
        self.name = name
        self.headers = headers

    async def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> Any:
        """One call."""
        return await self._case.ask(method, path, body, **{**self.headers, **headers})

    async def change(self, method: str, path: str, body: Any) -> Any:
        """One call that changes what stands at *path* as it is now."""
        return await self.ask(method, path, body, if_match=await self.tag(path))

    async def tag(self, path: str) -> str:
        """The ETag of what stands at *path*: of its own answer, else its version in the list that it is in."""
        own = await self.ask("GET", path)
        if own.status == 200 and "etag" in own.headers:
            return str(own.headers["etag"])
        place, _, last = path.rpartition("/")
        found = await self.ask("GET", place)
        named: dict[str, str] = {}
        if found.status != 200:
            place, _, kind = place.rpartition("/")
            found, named = await self.ask("GET", place), {"kind": kind, "language": last}
        rows = [one for rows in found.json().values() if isinstance(rows, list) for one in rows if "version" in one]
        for one in rows:
            names = (one.get("id"), one.get("account"), one.get("name"))
            if named.items() <= one.items() if named else last in names:
                return f'"{one["version"]}"'
        return '"0"'


async def make_account(
    case: Any, role: str = "", *, site: int = 1, email: str = "", name: str = "", password: bool = False
) -> int:
    """An account, with *role* on *site* where one is given; with *password* it has `PASSWORD`."""
    shared = case.application.shared
    people = shared[People]
    email = email or f"{role or 'nobody'}{len(case.sql('select 1 from catalog.account'))}@staff.example"
    account = await people.add(email, name or email.partition("@")[0])
    if role:
        await people.appoint(site, account.id, role)
    if password:
        quick_passwords(case)
        await people.set_password(account.id, await shared[SignIn].passwords.hash(PASSWORD))
    return int(account.id)


async def sign_in(case: Any, role: str = "owner", *, site: int = 1, email: str = "", name: str = "") -> StaffClient:
    """A client of a new account that is signed in."""
    account = await make_account(case, role, site=site, email=email, name=name)
    return await client_of(case, account)


async def client_of(case: Any, account: int) -> StaffClient:
    """A client of an account, signed in."""
    token = await case.application.shared[AccountSessions].open(account, "127.0.0.1", "test", "password")
    found = await case.application.shared[People].get(account)
    return StaffClient(case, account, found.shown, {"cookie": f"{COOKIE}={token}", **OWN})


async def site_key(case: Any, scopes: list[str], *, site: int = 1, name: str = "server") -> StaffClient:
    """A server with a key of *site*."""
    _, key = await case.application.shared[SiteKeys].add(site, name, scopes)
    return StaffClient(case, 0, name, {"authorization": f"Bearer {key}"})


def quick_passwords(case: Any) -> None:
    """Hash with as little work as there is: tests sign in often."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    case.application.shared[SignIn].passwords._hasher = hasher
