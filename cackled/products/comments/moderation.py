"""Moderation of comments: reports, closing a conversation, deleting a comment."""

from __future__ import annotations

from collections.abc import Callable

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain import text
from cackled.domain.addresses import stored_address
from cackled.domain.bans import ONCE
from cackled.domain.errors import NotFound, Unprocessable
from cackled.domain.sessions import Session
from cackled.domain.signed_links import SignedLink
from cackled.domain.site import Site
from cackled.events import Position
from cackled.products.comments.refusals import from_sqlstate

FLAG_COMMENT = Query(
    "flag_comment",
    "select flag_comment($1, $2, $3, $4, $5, $6), flags_that_hide($1)",
    ("int", "bigint", "bigint", "inet", "text", "boolean"),
)
HIDE_REPORTED = Query(
    "hide_reported", "select seq, channel from hide_reported($1, $2, $3)", ("int", "bigint", "boolean")
)
LOCK_CHANNEL = Query("lock_channel", "select lock_channel($1, $2, $3)", ("int", "bigint", "boolean"))
REMOVE_COMMENT = Query(
    "remove_comment",
    "select seq, channel from delete_comment($1, $2, null, $3)",
    ("int", "bigint", "boolean"),
)
REMOVE_BY_LINK = Query(
    "remove_by_link",
    ONCE + "select d.seq, d.channel from used, lateral delete_comment($1, $4, null, $5) d",
    ("int", "bigint", "float8", "bigint", "boolean"),
)

# A decision by a link is an action of the log, as others are.
DECIDE_BY_LINK = Query(
    "decide_by_link",
    ONCE
    + """, act as (
      insert into moderation_action (site_id, who, action, total, done) select $1, 'mail', $5, 1, 1 from used
      returning id
    )
    select d.seq, d.channel from act, lateral decide_by_mail($1, $4, $6, $5, act.id, $7) d
    """,
    ("int", "bigint", "float8", "bigint", "text", "int", "boolean"),
)

MAX_REASON = 500


class CommentModeration:
    """Reports and removals of one site's comments; *evict* is told each position that a report led to."""

    def __init__(
        self, site: Site, database: Database, evict: Callable[[Position], None] = lambda position: None
    ) -> None:
        self._site = site
        self._evict = evict
        self._database = database.site(site.id)

    async def flag(
        self, session: Session, comment_id: int, reason: str, *, address: str | None = None
    ) -> int:
        """Report a comment; each visitor counts once. Gives the number of reports.

        With as many as the site's rules say it is hidden until a moderator decides.
        """
        reason = text.clean_line(reason).strip()
        if len(reason) > MAX_REASON:
            raise Unprocessable(f"At most {MAX_REASON} characters.", field="reason")
        try:
            who = session.visitor, stored_address(address)
            told = self._site.settings.mails_flags
            rows = await self._database.write(FLAG_COMMENT, self._site.id, comment_id, *who, reason, told)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        reports, least = rows[0]
        if least and reports >= least:
            await self._hide(comment_id)
        return int(reports)

    async def _hide(self, comment_id: int) -> None:
        hooked = bool(self._site.settings.webhook_url)
        for seq, channel in await self._database.write(HIDE_REPORTED, self._site.id, comment_id, hooked):
            self._evict(self._site.position(channel, seq))

    async def lock(self, channel: int, locked: bool) -> Position:
        """Close a conversation to new comments, or open it again; everybody on the page is told.

        Raises:
            NotFound: nobody has written there yet.
        """
        rows = await self._database.write(LOCK_CHANNEL, self._site.id, channel, locked)
        if rows[0][0] is None:
            raise NotFound("Nobody has written there yet.")
        return self._site.position(channel, rows[0][0])

    async def remove(self, comment_id: int) -> Position:
        """Delete anybody's comment, as its author would.

        Raises:
            NotFound: there is none that can be seen.
        """
        try:
            hooked = bool(self._site.settings.webhook_url)
            rows = await self._database.write(REMOVE_COMMENT, self._site.id, comment_id, hooked)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        return self._site.position(rows[0][1], rows[0][0])

    async def decide_by_link(self, link: SignedLink, action: str) -> tuple[bool, Position | None]:
        """Decide as a signed link says: whether it was done now (False: the link was used before), and where.

        Raises:
            NotFound: the comment is not there any more. Conflict: it is not as the mail showed it.
        """
        used = (self._site.id, link.id, float(link.expires))
        hooked = bool(self._site.settings.webhook_url)
        try:
            rows = await self._database.write(DECIDE_BY_LINK, *used, link.target, action, link.version, hooked)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        return bool(rows), self._site.position(rows[0][1], rows[0][0]) if rows else None

    async def by_link(self, link: SignedLink) -> tuple[bool, Position | None]:
        """Do what a signed link is for: whether it was done now (False: the link was used before), and where.

        Raises:
            NotFound: the comment to remove is not there any more; the link stays unused.
        """
        used = (self._site.id, link.id, float(link.expires))
        try:
            hooked = bool(self._site.settings.webhook_url)
            rows = await self._database.write(REMOVE_BY_LINK, *used, link.target, hooked)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        return bool(rows), self._site.position(rows[0][1], rows[0][0]) if rows else None
