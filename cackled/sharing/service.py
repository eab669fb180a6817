"""What visitors of one site share, and how that goes."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import NotFound, Unprocessable
from cackled.domain.locks import Standing, locks_of
from cackled.domain.read_options import Reading
from cackled.domain.shareable import Shareable
from cackled.domain.site import Site
from cackled.sharing.settings import SharingSettings
from cackled.sharing.store import SELECT_SHARES, SHARE_ITEM, Share


class Item(Struct, frozen=True):
    """What is shared; see `cackled.domain.shareable.Shareable`."""

    visitor: int
    state: str
    html: str
    key: str
    url: str
    at: float


def open_to_all(site: Site, key: str) -> bool:
    """Whether strangers may read the conversation *key*."""
    return not site.settings.private and locks_of(site.settings).refused(key, "read", Standing()) is None


class Shares:
    """The shares of one site."""

    def __init__(self, site: Site, database: Database, kinds: Mapping[str, Shareable]) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._kinds = kinds

    async def find(self, name: str) -> Item | None:
        """The item *name*, as "comment:7"; None where there is none."""
        kind, _, number = name.partition(":")
        if kind not in self._kinds or not (number.isascii() and number.isdigit() and 0 < len(number) < 20):
            return None
        if int(number) >= 2**63:
            return None
        rows = await self._database.read(
            self._kinds[kind].find, self._site.id, int(number), preference=ReadPreference.PRIMARY
        )
        return Item(*rows.rows[0]) if rows.rows else None

    async def share(self, visitor: int, name: str, networks: list[str]) -> list[Share]:
        """Share an item of *visitor* with their accounts at *networks*. Done again, it tries again what failed.

        Raises:
            NotFound: there is no such item of theirs, or no such account.
            Unprocessable: it stands where strangers may not read.
        """
        item = await self.find(name)
        if item is None or item.visitor != visitor or item.state == "gone":
            raise NotFound("There is no such comment of yours.", field="item")
        if not open_to_all(self._site, item.key):
            raise Unprocessable("What not everybody may read is not shared.", slug="not-public")
        offered = self._site.product(SharingSettings).offered()
        state = "waiting" if item.state == "shown" else "held"
        for network in dict.fromkeys(networks):
            rows = [] if network not in offered else await self._database.write(
                SHARE_ITEM, self._site.id, visitor, name, network, state
            )  # fmt: skip
            if not rows:
                raise NotFound(f"You have no account connected at {network}.", field="networks", slug="not-connected")
        return await self.list(visitor, name)

    async def list(self, visitor: int, name: str = "", reading: Reading | None = None) -> list[Share]:
        """What a visitor shared, the latest first; of one item, where that is named."""
        reading = Reading.of(ReadPreference.PRIMARY) if reading is None else reading
        rows = reading.found(await reading.rows(self._database, SELECT_SHARES, self._site.id, visitor, name))
        return [Share(*row) for row in rows]
