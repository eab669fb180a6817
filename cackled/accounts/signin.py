"""Signing in with a password: throttled, and alike in answer and in work whether there is such an account or not."""

from __future__ import annotations

from msgspec import Struct

from cackled.accounts.passwords import Passwords
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


class SignIn:
    """Signs people in."""

    def __init__(self, people: People, sessions: AccountSessions, passwords: Passwords, throttle: Throttle) -> None:
        self.people = people
        self.sessions = sessions
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

    async def enter(self, account: Account, caller: Caller, way: str) -> SignedIn:
        """Open a session of *account*, which has proved by *way* to be itself."""
        token = await self.sessions.open(account.id, caller.address, caller.agent, way)
        await self.people.log(account.id, f"signed in: {way}", caller.address, caller.agent)
        return SignedIn(account, token, await self.throttle.mark(account.email))
