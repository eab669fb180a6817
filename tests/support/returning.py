"""Our own exports that come back: what tests of products share that write one and read it again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from cackled.domain.site import Site
from cackled.importing.formats import Format, Imports
from cackled.importing.mapping import UrlMap
from cackled.importing.run import Importing, Options
from cackled.importing.spool import Report
from tests.api.common import ApiCase

clock: Any = reactor


class Returning(ApiCase):
    """A product's export and its way back in: `product`, what it `imports`, how it `writes`, its `tables`."""

    timeout = 300
    product: ClassVar[str]
    imports: ClassVar[Imports]
    format: ClassVar[Format]
    writes: ClassVar[Callable[[Any, Site], AsyncIterator[bytes]]]
    tables: ClassVar[Sequence[str]]

    async def out(self, site: int = 1) -> list[bytes]:
        """The lines of a complete export."""
        found = self.application.sites.get(site)
        parts = [part async for part in type(self).writes(self.application.parts.database, found)]
        return b"".join(parts).splitlines()

    async def begun(self, lines: list[bytes], *, site: int = 1, dry: bool = False, **chosen: Any) -> Begun:
        """An import of *lines* that has been noted and not gone yet."""
        path = Path(self.mktemp())
        path.write_bytes(b"\n".join(lines) + b"\n")
        work = Importing(
            self.application.sites.get(site), self.application.parts.database, deferToThread, Path(self.mktemp()),
            clock.seconds, clock,
        )  # fmt: skip
        run = await work.begin(self.product, self.format, path, Options(**chosen), dry=dry, who="test")
        return Begun(self, work, run, path)

    async def back(self, lines: list[bytes], *, site: int = 1, dry: bool = False, **chosen: Any) -> Report:
        """Import *lines*; `undone` takes that back."""
        self.last = await self.begun(lines, site=site, dry=dry, **chosen)
        return await self.last.go()

    def emptied(self) -> None:
        """Nothing of the product is there any more on site 1."""
        for table in self.tables:
            self.sql(f"delete from {table} where site_id = 1")
        self.sql("delete from channel where site_id = 1 and product = %s", self.product)
        self.sql("delete from event where site_id = 1")
        self.sql("delete from state_day where site_id = 1")


class Begun:
    """One import."""

    def __init__(self, case: Returning, work: Importing, run: int, path: Path) -> None:
        self._case = case
        self._work = work
        self._path = path
        self.run = run

    async def go(self) -> Report:
        """Read and write it all."""
        return await self._work.go(self.run, self._path, self._case.format, self._case.imports, UrlMap())

    async def undo(self, run: int | None = None) -> None:
        """Take it, or *run*, back."""
        await self._work.undo(self.run if run is None else run, self._case.imports)
