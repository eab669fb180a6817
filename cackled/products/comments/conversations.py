"""What moderators do with conversations, and what they write: closed, read-only, slow, moved, merged; answers."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.audit import Audit
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.errors import BadField, Conflict, NotFound
from cackled.domain.people import Facts, People
from cackled.domain.sessions import BY_SITE
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.events import Position
from cackled.products.comments.carrying import BATCH, DROP_LEFT_CHANNEL, MOVE_COMMENTS, SELECT_HIDDEN, SELECT_THREADS
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.refusals import from_sqlstate
from cackled.products.comments.service import Comments, Written
from cackled.products.comments.settings import CommentSettings

SET_CONVERSATION = Query(
    "set_conversation", "select set_conversation($1, $2, $3, $4, $5)", ("int", "bigint", "boolean", "boolean", "int")
)
SELECT_CONVERSATION = Query(
    "select_conversation",
    """
    select h.key, h.url, h.title, h.locked, k.read_only, k.slow, k.n_visible, k.n_pending
    from channel h join comment_channel k on k.site_id = $1 and k.channel_id = h.id
    where h.site_id = $1 and h.id = $2
    """,
    ("int", "bigint"),
)
SELECT_WHOLE_THREAD = Query(
    "select_whole_thread",
    """
    select c.id, c.channel_id, h.key from comment r
    join comment c on c.site_id = $1 and c.channel_id = r.channel_id and c.root_id = r.root_id
    join channel h on h.site_id = $1 and h.id = r.channel_id
    where r.site_id = $1 and r.id = $2
    """,
    ("int", "bigint"),
)
SELECT_PAGE_OF = Query(
    "select_page_of_comment",
    """
    select h.key from comment c join channel h on h.site_id = $1 and h.id = c.channel_id
    where c.site_id = $1 and c.id = $2
    """,
    ("int", "bigint"),
)
SELECT_PLACE_OF = Query(
    "select_place_of_comment",
    """
    select h.key, h.url, h.title from comment c join channel h on h.site_id = $1 and h.id = c.channel_id
    where c.site_id = $1 and c.id = $2 and c.status = 1
    """,
    ("int", "bigint"),
)
EDIT_AS_STAFF = Query(
    "edit_as_staff",
    """
    select outcome, version, state, seq, channel, action
    from edit_comment_as_staff($1, $2, $3, $4, $5, $6, $7, $8, $9)
    """,
    ("int", "bigint", "int", "text", "text", "text", "text", "text", "boolean"),
)
# Parts of a move; who moves more does so again.
MOST_PARTS = 400
SLOWEST = 86_400


class Conversation(Struct, frozen=True):
    """A conversation as moderators see it."""

    key: str
    url: str
    title: str
    closed: bool
    read_only: bool
    slow: int
    comments: int
    pending: int


class Conversations:
    """The conversations of one site; *comments* writes in them, *evict* is told where that led."""

    def __init__(
        self, site: Site, database: Database, comments: Comments, evict: Callable[[Position], None],
        number: Callable[[], int], wall_time: Callable[[], float],
    ) -> None:  # fmt: skip
        self._site = site
        self._database = database.site(site.id)
        self._audit = Audit(site, database)
        self._people = People(site, database)
        self._comments = comments
        self._evict = evict
        self._number = number
        self._wall_time = wall_time

    def key(self, named: str) -> str:
        """The key that a key, or a page's address, is stored as.

        Raises:
            BadField: it can't be one.
        """
        return check_channel(ChannelRef(self._site.key(named.strip()))).key

    async def page_of(self, comment: int) -> str:
        """The key of the page where a comment is.

        Raises:
            NotFound: there is none.
        """
        rows = await self._database.read(
            SELECT_PAGE_OF, self._site.id, comment, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise NotFound("There is no such comment.")
        return str(rows.rows[0][0])

    async def get(self, named: str) -> Conversation:
        """The conversation of a key, or of a page's address.

        Raises:
            NotFound: nobody has written there.
        """
        channel = comment_channel(self._site, self.key(named))
        rows = await self._database.read(
            SELECT_CONVERSATION, self._site.id, channel, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise NotFound("Nobody has written there yet.")
        return Conversation(*rows.rows[0])

    async def change(
        self, staff: Staff, named: str, *, closed: bool | None = None, read_only: bool | None = None,
        slow: int | None = None,
    ) -> Conversation:  # fmt: skip
        """Close a conversation (votes and own deletions go on), make it for reading only, or let everybody write only
        every *slow* seconds; None leaves a thing as it is.

        Raises:
            NotFound: nobody has written there.
        """
        key = self.key(named)
        channel = comment_channel(self._site, key)
        rows = await self._database.write(SET_CONVERSATION, self._site.id, channel, closed, read_only, slow)
        if rows[0][0] is None:
            raise NotFound("Nobody has written there yet.")
        self._evict(self._site.position(channel, rows[0][0]))
        given = {"closed": closed, "read_only": read_only, "slow": slow}
        changed = {name: value for name, value in given.items() if value is not None}
        await self._audit.record(staff, "conversation.changed", f"channel:{channel}", **changed)
        return await self.get(key)

    async def move(self, staff: Staff, comment: int, to: str) -> int:
        """Move the whole thread that a comment is in to another page; gives how many comments moved.

        Raises:
            NotFound: there is no such comment. BadField: it is there already.
        """
        rows = await self._database.read(
            SELECT_WHOLE_THREAD, self._site.id, comment, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise NotFound("There is no such comment.")
        key = self.key(to)
        if rows.rows[0][2] == key:
            raise BadField("It is there already.", field="to")
        moved = await self._move(rows.rows[0][1], key, [row[0] for row in rows.rows])
        await self._audit.record(staff, "comment.moved", f"comment:{comment}", comments=moved)
        return moved

    async def merge(self, staff: Staff, named: str, to: str) -> int:
        """Move all of a conversation to another page; gives how many comments moved. Broken off, it goes on.

        Raises:
            BadField: both are one.
        """
        key, target = self.key(named), self.key(to)
        if key == target:
            raise BadField("Both are the same conversation.", field="to")
        channel, moved = comment_channel(self._site, key), 0
        for _ in range(MOST_PARTS):
            rows = await self._database.read(
                SELECT_THREADS, self._site.id, channel, BATCH, preference=ReadPreference.PRIMARY
            )
            if not rows.rows:
                break
            moved += await self._move(channel, target, [row[0] for row in rows.rows])
        for _ in range(MOST_PARTS):
            rows = await self._database.read(
                SELECT_HIDDEN, self._site.id, [channel], preference=ReadPreference.PRIMARY
            )
            ids = [row[0] for row in rows.rows][:BATCH]
            if not ids or not (count := await self._move(channel, target, ids)):
                break
            moved += count
        await self._database.write(DROP_LEFT_CHANNEL, self._site.id, channel)
        await self._audit.record(staff, "conversation.merged", f"channel:{channel}", comments=moved)
        return moved

    async def _move(self, channel: int, key: str, ids: list[int]) -> int:
        target = comment_channel(self._site, key)
        try:
            rows = await self._database.write(MOVE_COMMENTS, self._site.id, channel, target, key, ids)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        moved, seq_from, seq_to = rows[0]
        if seq_from is not None:
            self._evict(self._site.position(channel, seq_from))
            self._evict(self._site.position(target, seq_to))
        return int(moved)

    @staticmethod
    def checked(source: str) -> str:
        """*source* as it is kept.

        Raises:
            Unprocessable: nothing visible is left, or it is too long.
        """
        return text.clean_text(source, 10_000)

    async def answer(self, staff: Staff, comment: int, source: str) -> Written:
        """Answer a comment as a member of the staff, with a badge.

        Raises:
            NotFound: there is none that can be seen. Refused: as for everybody's comments.
        """
        rows = await self._database.read(
            SELECT_PLACE_OF, self._site.id, comment, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise NotFound("There is no such comment.")
        key, url, title = rows.rows[0]
        now = self._wall_time()
        facts = Facts(
            provider="staff", subject=staff.actor, level=BY_SITE, name=_shown(staff.name),
            staff=staff.role or "moderator", stated=now,
        )  # fmt: skip
        session = await self._people.sign_in(facts, 0, self._number(), now)
        await self._people.set_staff_picture(staff)
        return await self._comments.post(session, ChannelRef(key, url, title), source, "", parent=comment)

    async def edit(self, staff: Staff, comment: int, source: str, version: int | None, why: str) -> tuple[int, int]:
        """Change anybody's comment; gives its version, and the number of the action that undoes it.

        Raises:
            NotFound: it is not there any more. Conflict: it was changed since. Forbidden: it is locked.
        """
        source = text.clean_text(source, 10_000)
        html = text.render(source, math=self._site.product(CommentSettings).math, mentions=True)
        hooked = bool(self._site.settings.webhook_url)
        try:
            rows = await self._database.write(
                EDIT_AS_STAFF, self._site.id, comment, version, staff.actor, staff.name, why, source, html, hooked,
            )  # fmt: skip
        except QueryFailed as error:
            refused = from_sqlstate(error.sqlstate, error.message)
            if refused is None:
                raise
            raise refused from None
        outcome, now, _, seq, channel, action = rows[0]
        if outcome == "gone":
            raise NotFound("It is not there any more.")
        if outcome == "conflict":
            raise Conflict("It was changed since you looked at it.", slug="changed")
        self._evict(self._site.position(channel, seq))
        return int(now), int(action)


def _shown(name: str) -> str:
    """A colleague's name as visitors may see it: no address of mail."""
    name = re.sub("@.*", "", name).strip()
    return text.clean_name(name) if name else "Staff"
