"""Who the visitor of a conversation is: whom the site vouches for, links that resume it, letters, and signing out."""

from __future__ import annotations

from typing import Any

from cackled.database.query import Query, ReadPreference
from cackled.domain import text
from cackled.domain.errors import Conflict
from cackled.domain.parts import ServiceParts
from cackled.domain.people import Facts, People
from cackled.domain.sessions import BY_SITE
from cackled.domain.signed_links import SignedLink
from cackled.domain.site import Site
from cackled.products.chat import queries
from cackled.products.chat.service import no_chat, write


class ChatPeople:
    """The visitors of one site's conversations."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._people = People(site, parts.database, parts.crowd)
        self._database = parts.database.site(site.id)
        self._evict = parts.evict

    async def identify(self, chat: int, facts: Facts, new: int, now: float) -> int:
        """The site vouches for the visitor of a conversation; *new* is the number of a visitor that nobody has.

        This conversation alone becomes theirs: what else the guest wrote stays with the guest.

        Raises:
            Refused: the site vouched for somebody else there.
        """
        person = await self._people.sign_in(facts, 0, new, now)
        rows = await self._write(
            queries.IDENTIFY_CHAT, chat, person.visitor, facts.subject, text.clean_words(facts.name, 60), facts.email
        )
        return int(rows[0][0])

    async def signed_in(self, chat: int, visitor: int) -> None:
        """A conversation is of a *visitor* whom the site vouched for when they opened their session."""
        person = await self._people.find(visitor)
        if person is not None and person.level == BY_SITE:
            await self._write(
                queries.IDENTIFY_CHAT, chat, visitor, f"visitor:{visitor}", text.clean_words(person.name, 60),
                person.email if person.email_verified else "",
            )  # fmt: skip

    async def end(self, chat: int, channel: int) -> int:
        """Its visitor signs out: their token ends, it is closed for good, and goes on in the random *channel*.

        Who listened with the token hears nothing any more.
        """
        rows = await self._write(queries.END_CHAT, chat, channel)
        return int(rows[0][0])

    async def transcript(self, chat: int, mail: str) -> None:
        """Send a conversation by mail.

        Raises:
            Refused: that was asked for three times.
        """
        await self._write(queries.ASK_TRANSCRIPT, chat, mail)

    async def resume(self, link: SignedLink) -> int:
        """The conversation that a link resumes, once: the last that is done, as it can't be done again.

        Raises:
            Conflict: it was used before, or its visitor has signed out since.
        """
        rows = await self._database.write(
            queries.USE_RESUME_LINK, self._site.id, link.id, float(link.expires), link.target, link.version or 0
        )
        if not rows:
            raise Conflict("That link was used before, or has run out.", slug="link-used")
        return link.target

    async def newest(self, visitor: int) -> int:
        """The newest conversation of a visitor that is not closed.

        Raises:
            NotFound: there is none.
        """
        rows = await self._database.read(
            queries.SELECT_NEWEST_CHAT, self._site.id, visitor, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise no_chat()
        return int(rows.rows[0][0])

    async def _write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        return await write(self._database, query, self._site.id, *args)
