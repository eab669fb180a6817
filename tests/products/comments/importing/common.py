"""Files of other systems, brought into site 1."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from cackled.importing.mapping import UrlMap
from cackled.importing.run import Importing, Options
from cackled.importing.spool import Report
from cackled.importing.store import Run
from cackled.products.comments.importing import IMPORTS
from tests.domain.common import DomainCase

clock: Any = reactor
FORMATS = {one.name: one for one in IMPORTS.formats}
# In seconds since 1970: what is written later is from the future.
# Later than any day on which this runs: what is dated later than now is put back.
NOW = 3_000_000_000.0


def gzipped(text: str) -> bytes:
    """As exports come."""
    return gzip.compress(text.encode())


class ImportCase(DomainCase):
    """Imports on a real database."""

    def importing(self, site: Any = None) -> Importing:
        """The imports of a site."""
        return Importing(
            site or self.site, self.database, deferToThread, Path(self.mktemp()), lambda: NOW, clock,
            self.evicted.append,
        )  # fmt: skip

    def file(self, content: str | bytes, name: str = "export") -> Path:
        """A file with this in it."""
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    async def bring(
        self, format: str, content: str | bytes | Path, *, urls: UrlMap | None = None, dry: bool = False,
        site: Any = None, **options: Any,
    ) -> Report:  # fmt: skip
        """Import a file; the run is `self.run_id`."""
        path = content if isinstance(content, Path) else self.file(content)
        work = self.importing(site)
        self.run_id = await work.begin("comments", FORMATS[format], path, Options(**options), dry=dry, who="test")
        return await work.go(self.run_id, path, FORMATS[format], IMPORTS, urls)

    async def undo(self) -> int:
        """Take the last one back."""
        return await self.importing().undo(self.run_id, IMPORTS)

    async def run_now(self) -> Run:
        """The last run."""
        found = await self.importing().runs.find(self.run_id)
        assert found is not None
        return found

    def tree(self, site: int = 1) -> dict[str, Any]:
        """What there is, by page: name, text, state and answers of each comment, in order of time."""
        rows = self.sql(
            f"""
            select h.key, c.id, c.parent_id, c.author_name, c.src, c.status, c.up, c.down
            from comment c join channel h on h.site_id = c.site_id and h.id = c.channel_id
            where c.site_id = {site} order by c.id
            """
        )
        made: dict[int, dict[str, Any]] = {}
        pages: dict[str, list[Any]] = {}
        for key, id, parent, name, text, status, up, down in rows:
            one = {"name": name, "text": text, "status": status, "votes": (up, down), "replies": []}
            made[id] = one
            (pages.setdefault(key, []) if parent is None else made[parent]["replies"]).append(one)
        return pages

    def texts(self, site: int = 1) -> dict[str, Any]:
        """The same as texts alone: a comment is its text, or its text and its answers."""

        def short(one: dict[str, Any]) -> Any:
            return [one["text"], *(short(reply) for reply in one["replies"])] if one["replies"] else one["text"]

        return {key: [short(one) for one in roots] for key, roots in self.tree(site).items()}

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Visible, roots and pending of each page, which both tables agree on."""
        rows = self.sql(
            """
            select h.key, k.n_visible, k.n_root, k.n_pending, h.n_visible, h.n_root, h.n_pending
            from channel h join comment_channel k on k.site_id = h.site_id and k.channel_id = h.id
            where h.site_id = 1 order by 1
            """
        )
        for key, *numbers in rows:
            self.assertEqual(numbers[:3], numbers[3:], key)
        return {key: tuple(numbers[:3]) for key, *numbers in rows}

    def check_sound(self) -> None:
        """What is kept of threads is what they are."""
        wrong = self.sql(
            """
            with recursive seen as (
              select id, parent_id, root_id from comment where site_id = 1 and status = 1
              union
              select c.id, c.parent_id, c.root_id from seen s join comment c on c.site_id = 1 and c.id = s.parent_id
            )
            select c.id, c.shown, c.n_replies, c.n_thread, c.depth, c.root_id from comment c
            left join comment p on p.site_id = 1 and p.id = c.parent_id
            where c.site_id = 1 and (
              c.shown <> exists (select from seen s where s.id = c.id)
              or c.n_replies <> (select count(*) from seen s where s.parent_id = c.id)
              or c.n_thread <> case when c.parent_id is null
                then (select count(*) from seen s where s.root_id = c.id and s.parent_id is not null) else 0 end
              or c.depth <> coalesce(p.depth + 1, 0) or c.root_id <> coalesce(p.root_id, c.id)
              or p.channel_id <> c.channel_id)
            """
        )
        self.assertEqual(wrong, [])
        counted = {
            key: tuple(numbers) for key, *numbers in self.sql(
                """
                select h.key, count(*) filter (where c.status = 1),
                  count(*) filter (where c.shown and c.parent_id is null), count(*) filter (where c.status = 0)
                from channel h left join comment c on c.site_id = h.site_id and c.channel_id = h.id
                where h.site_id = 1 group by h.key order by 1
                """
            )
        }  # fmt: skip
        self.assertEqual(self.counts(), counted)

    def events_told(self) -> list[tuple[str, str]]:
        """Page and type of each event."""
        return self.sql(
            "select h.key, e.type from event e join channel h on h.site_id = e.site_id and h.id = e.channel_id "
            "order by 1, e.seq"
        )


def lines(*values: Any) -> str:
    """JSON lines."""
    return "".join(json.dumps(value) + "\n" for value in values)
