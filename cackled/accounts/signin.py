"""Signing in with a password: throttled, and alike in answer and in work whether there is such an account or not."""

from __future__ import annotations

from msgspec import Struct

from cackled.accounts.links import AccountLinks
from cackled.accounts.passwords import Passwords, check_password
from cackled.accounts.people import Account, People
from cackled.accounts.sessions import AccountSessions
from cackled.accounts.throttle import Throttle
from cackled.domain.errors import Unauthorized


class Caller(Struct, frozen=True):
    """From where somebody signs in: address, browser, and the mark of a browser that an account knows."""

    address: str
    agent: str = ""
    mark: str = ""


class SignedIn(Struct, frozen=True):
    """An account that has just signed in: the session's token, and the mark for the browser."""

    account: Account
    token: str
    mark: str


def _spent() -> Unauthorized:
    return Unauthorized("This link was used before, or has run out. Ask for another one.", slug="link-spent")


class SignIn:
    """Signs people in."""

    def __init__(
        self, people: People, sessions: AccountSessions, links: AccountLinks, passwords: Passwords, throttle: Throttle,
        signup: str = "invite",
    ) -> None:  # fmt: skip
        # Who may have an account: ``open``, ``invite`` or ``closed``.
        self.signup = signup
        self.people = people
        self.sessions = sessions
        self.links = links
        self.passwords = passwords
        self.throttle = throttle

    async def with_password(self, email: str, password: str, caller: Caller) -> SignedIn:
        """Sign in. The session is new whatever the browser had before, so that nobody can have planted it.

        Raises:
            Unauthorized: there is no such account, or that is not its password.
            TooFast: too many tries.
        """
        await self.throttle.take(email, caller.address, caller.mark)
        account = await self.people.by_email(email)
        stored = None if account is None else account.password
        if not await self.passwords.verify(stored, password) or account is None or stored is None:
            raise Unauthorized("Mail address and password do not belong together.", slug="wrong-password")
        if self.passwords.outdated(stored):
            await self.people.set_password(account.id, await self.passwords.hash(password))
        return await self.enter(account, caller, "password")

    async def with_link(self, token: str, password: str, caller: Caller) -> SignedIn:
        """Sign in with a link that works once, and choose a password with it; one of kind ``reset`` takes that.

        A new password ends all sessions that there were. A password that can't be one leaves the link as it was.

        Raises:
            Unauthorized: the link was used, or has run out.
            BadField: that can't be a password.
            TooFast: too many tries.
        """
        self.throttle.take_address(caller.address)
        found = await self.links.look(token)
        account = None if found is None else await self.people.get(found[0])
        if found is None or account is None:
            raise _spent()
        if password or found[1] == "reset":
            check_password(password, account.email, account.name)
            stored = await self.passwords.hash(password)
        if await self.links.use(token) is None:
            raise _spent()
        if password:
            await self.people.set_password(account.id, stored)
            await self.sessions.end_others(account.id)
            await self.people.log(account.id, "password changed", caller.address, caller.agent)
        await self.people.verify(account.id)
        return await self.enter(account, caller, "link")

    async def join(self, email: str, name: str, password: str, caller: Caller) -> SignedIn:
        """A new account, whose owner has shown to read mail to its address.

        Raises:
            BadField: that can't be a password.
        """
        check_password(password, email, name)
        stored = await self.passwords.hash(password)
        account = await self.people.add(email, name)
        await self.people.set_password(account.id, stored)
        await self.people.verify(account.id)
        return await self.enter(account, caller, "invitation")

    async def enter(self, account: Account, caller: Caller, way: str) -> SignedIn:
        """Open a session of *account*, which has proved by *way* to be itself."""
        token = await self.sessions.open(account.id, caller.address, caller.agent, way)
        await self.people.log(account.id, f"signed in: {way}", caller.address, caller.agent)
        return SignedIn(account, token, await self.throttle.mark(account.email))
