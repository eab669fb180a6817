"""Who makes a call of staff: the account whose session's cookie comes with it, or the site's key in Authorization."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.accounts.keys import NOTE_EVERY as NOTE_KEY_EVERY
from cackled.accounts.keys import SiteKeys
from cackled.accounts.sessions import FRESH, NOTE_EVERY, AccountSessions
from cackled.api.calls import bearer
from cackled.api.staff import READS, cookie
from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.domain.errors import Unauthorized
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.transport.http import Request

log = Logger()
SESSION = "session"


class Gate:
    """Finds out who calls. Reads ask the nearest copy of the database; what changes something asks the primary."""

    def __init__(self, sessions: AccountSessions, keys: SiteKeys) -> None:
        self._sessions = sessions
        self._keys = keys

    async def find(self, request: Request, site: Site | None, *, certain: bool = False) -> Staff | None:
        """Who it is, with the role on *site*; None where nobody is signed in. *certain*: as the primary has it.

        Raises:
            Unauthorized: a key that does not hold here.
        """
        preference = ReadPreference.NEAREST if request.method in READS and not certain else ReadPreference.PRIMARY
        token = bearer(request)
        if token is not None:
            return await self._key(token, site, preference)
        known = await self._sessions.find(cookie(request, SESSION), 0 if site is None else site.id, preference)
        if known is None:
            return None
        if known.seen_age > NOTE_EVERY:
            _later(self._sessions.see(known.session))
        return Staff(
            account=known.account,
            name=known.name or known.email.partition("@")[0],
            email=known.email,
            picture=known.picture,
            role=known.role or "",
            sections=tuple(known.sections or ()),
            session=known.session,
            fresh=known.fresh_age < FRESH,
        )

    async def _key(self, token: str, site: Site | None, preference: ReadPreference) -> Staff:
        known = None if site is None else await self._keys.find(site.id, token, preference)
        if known is None:
            raise Unauthorized("That is no key of this site, or it has ended.", slug="bad-key")
        if known.used_age > NOTE_KEY_EVERY:
            _later(self._keys.use(known.id))
        return Staff(key=known.id, name=known.name, scopes=tuple(known.scopes), fresh=True)


def _later(work: Awaitable[None]) -> None:
    """Nobody waits for it, and nothing is lost where it fails."""
    done: Deferred[None] = Deferred.fromCoroutine(work)  # type: ignore[arg-type]
    done.addErrback(
        lambda failure: None if failure.check(DatabaseError) else log.failure("noting the use failed", failure)
    )
