"""Comments of one page that a server sends in a call, as Cackle's import takes them: a hundred at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from cackled.database.routing import Database
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.errors import BadField
from cackled.domain.page_keys import fit
from cackled.domain.site import Site
from cackled.events import Position
from cackled.importing import storable
from cackled.importing.formats import Parts, Ready, Spooled, Target
from cackled.importing.records import Left
from cackled.products.comments.channels import PRODUCT_NAME, comment_channel

if TYPE_CHECKING:
    from cackled.products.comments.importing.record import ImportedComment
    from cackled.products.comments.importing.writer import CommentWriter

MOST_POSTED = 100
SOURCE = "cackle"


class OldImport:
    """Takes them in for one site. What was sent before stays as it is; nobody is written to because of it."""

    def __init__(
        self, site: Site, database: Database, evict: Callable[[Position], None], wall_time: Callable[[], float]
    ) -> None:
        self._site = site
        self._database = database
        self._evict = evict
        self._wall_time = wall_time

    async def take(self, given: dict[str, Any], who: str) -> tuple[int, int, int]:
        """The comments of *given* (``chan, url, title, comments``): how many are new, were there, can't come.

        Raises:
            BadField: the page can't be told.
        """
        # Few processes are ever asked.
        from cackled.importing.store import Runs
        from cackled.importing.values import text_of
        from cackled.products.comments.importing.writer import CommentWriter

        named, url = text_of(given.get("chan")), text_of(given.get("url"))
        ref = check_channel(ChannelRef(self._site.key(fit(named.strip()), url), url, text_of(given.get("title"))))
        channel = comment_channel(self._site, ref.key)
        writer = CommentWriter(Parts(database=self._database, source=SOURCE), self._site)
        ready: dict[str, tuple[ImportedComment, Ready]] = {}
        left = 0
        for one in given["comments"]:
            made = self._made(one, ref.key, writer)
            if made is None or made[0].id in ready:
                left += 1
            else:
                ready[made[0].id] = made
        if not ready:
            return 0, 0, left
        runs = Runs(self._database, self._site.id)
        told = msgspec.json.encode(sorted(ready)).decode()
        run = await runs.add(PRODUCT_NAME, SOURCE, SOURCE, f"post.json {ref.key}"[:200], who, False, {}, len(told))
        target = Target(channel, ref.key, ref.url, ref.title, False)
        written = await writer.write(run, [target], self._placed(channel, ready))
        for position in await writer.settle(run, [channel]):
            self._evict(position)
        await runs.note(run, state="done", items=len(ready))
        return written.added, written.present, left

    def _made(self, one: Any, page: str, writer: CommentWriter) -> tuple[ImportedComment, Ready] | None:
        from cackled.importing.values import id_of
        from cackled.products.comments.importing.cackle import comment_of

        if not isinstance(one, dict) or not storable.is_id(id_of(one.get("id"))):
            return None
        item = comment_of(one, page)
        if isinstance(item, Left) or not (not item.parent or storable.is_id(item.parent)):
            return None
        ready = writer.prepare(item)
        return None if isinstance(ready, Left) else (item, ready)

    def _placed(self, channel: int, ready: dict[str, tuple[ImportedComment, Ready]]) -> list[Spooled]:
        """They in their places: parents before children, with higher numbers the later they were written."""
        from cackled.importing.spool import number_of

        now = self._wall_time()
        placed: dict[str, Spooled] = {}

        def place(id: str, above: frozenset[str]) -> Spooled:
            known = placed.get(id)
            if known is not None:
                return known
            item, made = ready[id]
            parent = item.parent
            if parent in above or parent == id:
                raise BadField("A comment answers itself.", field="comments")
            created = storable.moment(item.created)
            created = now if created is None else min(created, now)
            number, root, depth = number_of(created, id), parent or id, 1 if parent else 0
            if parent in ready:
                over = place(parent, above | {id})
                # Of a parent that came before, the database knows root and depth.
                root, depth = over.root, over.depth + 1
                number = max(number, over.number + 2)
            placed[id] = spooled = Spooled(
                len(placed), channel, id, parent, root, depth, number, created, made.shown, 0, 0, made.stored
            )
            return spooled

        for id in ready:
            place(id, frozenset())
        return sorted(placed.values(), key=lambda one: (one.depth, one.number))
