"""Signing in with a password: throttled, and alike in answer and in work whether there is such an account or not."""

from __future__ import annotations

from msgspec import Struct

from cackled.accounts.links import AccountLinks
from cackled.accounts.passwords import Passwords, check_password
from cackled.accounts.second_factors import Factors
from cackled.accounts.sessions import AccountSessions
from cackled.accounts.store import Account, People
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
        factors: Factors, signup: str = "invite",
    ) -> None:  # fmt: skip
        # Who may have an account: ``open``, ``invite`` or ``closed``.
        self.signup = signup
        self.factors = factors
        self.people = people
        self.sessions = sessions
        self.links = links
        self.passwords = passwords
        self.throttle = throttle

    async def with_password(self, email: str, password: str, caller: Caller, code: str = "") -> SignedIn:
        """Sign in. The session is new whatever the browser had before, so that nobody can have planted it.

        Raises:
            Unauthorized: there is no such account, that is not its password, or it asks for a *code*.
            TooFast: too many tries.
        """
        account = await self.known(email, password, code, caller)
        return await self.enter(account, caller, "password")

    async def known(self, email: str, password: str, code: str, caller: Caller) -> Account:
        """The account that these belong to.

        Raises:
            Unauthorized, TooFast: as `with_password`.
        """
        await self.throttle.take(email, caller.address, caller.mark)
        account = await self.people.by_email(email)
        stored = None if account is None else account.password
        if not await self.passwords.verify(stored, password) or account is None or stored is None:
            raise Unauthorized("Mail address and password do not belong together.", slug="wrong-password")
        await self._second(account, code)
        if self.passwords.outdated(stored):
            await self.people.set_password(account.id, await self.passwords.hash(password))
        return account

    async def _second(self, account: Account, code: str) -> None:
        if account.totp is None:
            return
        if not code.strip():
            raise Unauthorized("Now the code of your app, or a recovery code.", slug="second-factor")
        if not await self.factors.check(account, code):
            raise Unauthorized("That code is not right, or was used before.", slug="wrong-code")

    async def with_link(self, token: str, password: str, caller: Caller, code: str = "") -> SignedIn:
        """Sign in with a link that works once, and choose a password with it; one of kind ``reset`` takes that.

        A new password ends all sessions that there were. A password that can't be one leaves the link as it was. An
        operator's link (kind ``welcome``) asks for no *code*: that is the way back for who lost the app.

        Raises:
            Unauthorized: the link was used, or has run out; or the account asks for a code.
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
        if found[1] != "welcome":
            await self._second(account, code)
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
