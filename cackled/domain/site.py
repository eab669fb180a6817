"""A site: one tenant. Whatever names a tenant's data (cache group, channel, position) is built from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from twisted.logger import Logger

from cackled.domain.origins import OriginPattern, split_origin
from cackled.domain.page_keys import MOST as LONGEST_KEY
from cackled.domain.page_keys import is_address, page_key, parameter_pattern
from cackled.domain.settings import ProductSettings, SettingsShape, SiteSettings
from cackled.events import Position, channel_id

log = Logger()

_P = TypeVar("_P", bound=ProductSettings)


class Site(Struct, frozen=True):
    """One tenant."""

    id: int
    name: str
    settings: SiteSettings
    origins: tuple[OriginPattern, ...] = ()
    patterns: tuple[str, ...] = ()
    # Those of each product.
    products: tuple[ProductSettings, ...] = ()

    def product(self, kind: type[_P]) -> _P:
        """The settings that a product declared as *kind*; their defaults where nothing is known of the product."""
        for one in self.products:
            if type(one) is kind:
                return one
        return kind()

    def public_settings(self) -> dict[str, Any]:
        """What a browser may know of the settings."""
        told: dict[str, Any] = {}
        for one in self.products:
            told |= one.public()
        return told | self.settings.public()

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of *origin* may speak for this site."""
        parts = split_origin(origin)
        if parts is not None:
            for pattern in self.origins:
                if pattern.matches(*parts):
                    return True
        return False

    def key(self, named: str, address: str = "", *, host: bool = False) -> str:
        """The key of the channel that a page names; of the page at *address* where it names none.

        A name that is a whole address (what pages of former releases send) is taken for one. *host*: with the host,
        also where the site has no such rule.
        """
        rule = self.settings.channel_rule
        if rule == "address" and not (host and not named):
            return named or address.partition("#")[0].strip()[:LONGEST_KEY]
        if named and not is_address(named):
            return named
        if not (named or address):
            return ""
        return page_key(
            named or address,
            host=host or rule == "host",
            leave_out=_left_out(self.settings.channel_ignore) if self.settings.channel_ignore else None,
        )

    def channel(self, product: str, key: str) -> int:
        """The id of the channel *key* of one of this site's products."""
        return channel_id(product, key)

    def position(self, channel: int, seq: int = -1) -> Position:
        """A place in a channel of this site."""
        return Position(self.id, channel, seq)

    def group(self, channel: int) -> tuple[int, int]:
        """The cache group of a channel of this site: the only way such a key is made."""
        return (self.id, channel)


@lru_cache(maxsize=1024)
def _left_out(names: str) -> re.Pattern[str]:
    return parameter_pattern(names.replace(",", " ").split())


def build_site(
    site_id: int, name: str, settings: str, patterns: Iterable[str], shape: SettingsShape | None = None
) -> Site:
    """A `Site` from catalog columns; settings this release does not know are left out, broken ones logged."""
    shape = shape or SettingsShape()

    def wrong(reason: str) -> None:
        log.error("settings of site {site} can't be used: {reason}", site=site_id, reason=reason)

    try:
        raw = msgspec.json.decode(settings, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        wrong(str(error))
        raw = {}
    chosen, products = shape.read(raw, wrong)
    origins = []
    for pattern in patterns:
        try:
            origins.append(OriginPattern.parse(pattern))
        except ValueError as error:
            log.error("an origin of site {site} can't be used: {reason}", site=site_id, reason=str(error))
    return Site(site_id, name, chosen, tuple(origins), tuple(sorted(patterns)), products)
