"""A site's own server says who its visitor is: which form that has, which keys it is checked with, and who they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from cackled.database.routing import Database
from cackled.domain.errors import Unauthorized
from cackled.domain.grants import verification_keys
from cackled.domain.people import Facts, People
from cackled.domain.sessions import BY_SITE, Session
from cackled.domain.signing_keys import signing_keys
from cackled.domain.site import Site
from cackled.identity import assertion
from cackled.identity.assertion import BadAssertion, Logout, Person
from cackled.identity.one_time import OneTime
from cackled.identity.settings import IdentitySettings
from cackled.identity.sso_refusals import RefusalBook, SsoRefusals

# The provider under which the persons of a site's own server are known, and those that are known by mail alone.
OWN, OWN_MAIL = "sso", "sso-mail"


class FastComments(Struct, frozen=True):
    """The object that FastComments' pages call ``sso``."""

    userDataJSONBase64: str
    verificationHash: str
    timestamp: int | str


class Statement(Struct, frozen=True, kw_only=True):
    """What a page sends on behalf of its server: one of them."""

    sso: str | FastComments | None = None
    cackle: str | None = None
    disqus: str | None = None


class BadStatement(Unauthorized):
    """A statement that does not hold. What is wrong is the owner's to read; the visitor is told what to do."""

    slug = "bad-statement"
    title = "The site's sign-in does not hold"


class Statements:
    """Statements about visitors of one site."""

    def __init__(
        self, site: Site, database: Database, people: People, wall_time: Callable[[], float]
    ) -> None:
        self._site = site
        self._settings = site.product(IdentitySettings)
        self._people = people
        self._database = database
        self._once = OneTime(site, database)
        self._refusals = SsoRefusals(site, database)
        self._wall_time = wall_time

    async def read(
        self, statement: Statement, old: Session | None, new: int, book: RefusalBook
    ) -> Session | None:
        """Whose session it is: *old* is what the browser had, *new* the number of a visitor that nobody has. None where
        the site says that nobody is signed in. What does not hold is noted, as *book* allows.

        Raises:
            BadStatement: it does not hold.
        """
        form = self._form(statement)
        try:
            found = await self._verify(form, statement)
            if isinstance(found, Logout):
                return None
            return await self.enter(found, old, new)
        except BadAssertion as error:
            raise await self.refuse(form, error, book) from None

    async def enter(self, person: Person, old: Session | None, new: int) -> Session:
        """Sign in a *person* that the site vouches for.

        Raises:
            BadAssertion: what may be used once was used before, by another browser.
        """
        now = self._wall_time()
        if person.nonce and person.form == "jwt":
            fresh = await self._once.put("statement", person.nonce, person.id, person.expires + assertion.LEEWAY)
            # A page that is loaded again sends the same: whoever is signed in by it may.
            if not fresh and not await self._is(old, person):
                raise BadAssertion("replayed", f"It was used before (jti {person.nonce[:40]}).")
        return await self._people.sign_in(facts_of(person, now), 0 if old is None else old.visitor, new, now)

    async def vouch(self, token: str, known: str, book: RefusalBook) -> Facts:
        """What the site's JWT *token* says of a visitor, who is *known* by that id in a conversation (``""``: not).

        A token that may be used once may be so for each person and conversation that knows them.

        Raises:
            BadStatement: it does not hold.
        """
        try:
            found = await self._verify("jwt", Statement(sso=token))
            assert isinstance(found, Person)
            if found.nonce and found.id != known:
                fresh = await self._once.put("chat", found.nonce, found.id, found.expires + assertion.LEEWAY)
                if not fresh:
                    raise BadAssertion("replayed", f"It was used before (jti {found.nonce[:40]}).")
            return facts_of(found, self._wall_time())
        except BadAssertion as error:
            raise await self.refuse("jwt", error, book) from None

    async def refuse(self, form: str, error: BadAssertion, book: RefusalBook) -> BadStatement:
        """Note for the owner why a statement was refused; gives what the visitor is told."""
        count = book.count(self._site.id, form, error.reason)
        if count:
            await self._refusals.write(form, error.reason, str(error), count)
        told = BadStatement("The site's sign-in did not work. Reload the page, or go on as a guest.")
        told.extra = {"reason": error.reason}
        return told

    async def _is(self, old: Session | None, person: Person) -> bool:
        if old is None or old.level != BY_SITE:
            return False
        return await self._people.whose(OWN, person.id) == old.visitor

    @staticmethod
    def _form(statement: Statement) -> str:
        if statement.disqus is not None:
            return "disqus"
        if statement.cackle is not None:
            return "cackle"
        return "jwt" if isinstance(statement.sso, str) else "fastcomments"

    async def _verify(self, form: str, statement: Statement) -> Person | Logout:
        settings, now = self._settings, self._wall_time()
        if form == "jwt":
            keys = [*verification_keys(self._site), *await signing_keys(self._database, self._site.id)]
            _some(keys, "channel_secret")
            assert isinstance(statement.sso, str)
            return assertion.verify_jwt(statement.sso, self._site.id, keys, now)
        if form == "cackle":
            assert statement.cackle is not None
            if not settings.cackle_sso:
                raise BadAssertion("not-configured", "The setting identity.cackle_sso is off.")
            key = _some(settings.cackle_secret, "identity.cackle_secret")
            return assertion.verify_cackle(statement.cackle, key, now, settings.cackle_window)
        secret = _some(settings.sso_secret, "identity.sso_secret")
        if form == "disqus":
            assert statement.disqus is not None
            return assertion.verify_disqus(statement.disqus, secret, now)
        given = statement.sso
        assert isinstance(given, FastComments)
        return assertion.verify_fastcomments(
            given.userDataJSONBase64, given.verificationHash, given.timestamp, secret, now
        )


def facts_of(person: Person, now: float) -> Facts:
    """What the site says of *person*."""
    return Facts(
        provider=OWN_MAIL if person.form == "commento" else OWN, subject=person.id, level=BY_SITE, name=person.name,
        email=person.email, verified=person.email_verified, avatar=person.avatar, url=person.url,
        groups=person.groups, badges=person.badges, staff=person.staff, stated=min(person.issued, now),
    )  # fmt: skip


def _some(value: Any, name: str) -> Any:
    if not value:
        raise BadAssertion("not-configured", f"The setting {name} is empty.")
    return value
