"""Grants: what a site's own server lets a visitor see, and under which name.

A grant is a JSON Web Token (HS256) that the site signs with its own secret (setting ``channel_secret``): nobody here
makes one. Its claims: ``aud`` (``site:17``), ``exp``, and where wanted ``channels`` (a list of channel keys; without
it, all of the site) and ``name`` (who is here, for presence).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import jwt
from msgspec import Struct

from cackled.domain.errors import Forbidden, Refused, Unauthorized
from cackled.domain.site import Site

# A secret shorter than the hash is no secret (RFC 7518 section 3.2).
LEAST_SECRET = 32
# Grants looked at in one request, and channels named in one grant.
MOST_TOKENS = 16
MOST_CHANNELS = 1_000
NAME_LENGTH = 64
# Tokens remembered as genuine.
KNOWN = 20_000
# Clocks may differ by this much, in seconds.
LEEWAY = 60
# An ``exp`` may be any number.
_FAR = 2**40


class Grant(Struct, frozen=True):
    """What one token grants: *channels* by id (None: all of the site), until *expires* (seconds since 1970)."""

    channels: frozenset[int] | None
    name: str
    expires: int

    def covers(self, channel: int) -> bool:
        """Whether *channel* may be seen."""
        return self.channels is None or channel in self.channels


class Grants:
    """Checks the grants of all sites."""

    def __init__(self, wall_time: Callable[[], float], products: Iterable[str]) -> None:
        self._products = tuple(products)
        self._wall_time = wall_time
        self._known: OrderedDict[tuple[int, str, str, str, str], Grant] = OrderedDict()

    def read(self, site: Site, tokens: Iterable[str]) -> list[Grant]:
        """The genuine ones among *tokens* that hold now."""
        now = self._wall_time() - LEEWAY
        found = (self._grant(site, token) for token in list(tokens)[:MOST_TOKENS])
        return [grant for grant in found if grant is not None and grant.expires > now]

    def refused(self, site: Site, tokens: Sequence[str], channel: int | None = None) -> Refused | None:
        """Why the bearer of *tokens* may not see *channel* of *site* (None: something of it); None where he may."""
        if not site.settings.private:
            return None
        if not tokens:
            return Unauthorized("This site's pages need a token of the site.", slug="no-token")
        grants = self.read(site, tokens)
        if not grants:
            return Unauthorized("That token is not valid here.", slug="bad-token")
        if channel is not None and not any(grant.covers(channel) for grant in grants):
            return Forbidden("The token does not grant that channel.", slug="not-granted")
        return None

    def check(self, site: Site, tokens: Sequence[str], channel: int | None = None) -> None:
        """As `refused`.

        Raises:
            Refused: he may not.
        """
        refusal = self.refused(site, tokens, channel)
        if refusal is not None:
            raise refusal

    def everything(self, site: Site, tokens: Sequence[str]) -> bool:
        """Whether all channels of *site* may be seen."""
        return not site.settings.private or any(grant.channels is None for grant in self.read(site, tokens))

    def channels(self, site: Site, tokens: Sequence[str]) -> frozenset[int] | None:
        """The channels of *site* that may be seen, by id; None: all of them."""
        if self.everything(site, tokens):
            return None
        return frozenset().union(*(grant.channels or () for grant in self.read(site, tokens)))

    def name(self, site: Site, tokens: Sequence[str], channel: int) -> str:
        """The name that the site gave the bearer in *channel*, or an empty one."""
        if not tokens:
            return ""
        return next((grant.name for grant in self.read(site, tokens) if grant.name and grant.covers(channel)), "")

    def seconds_left(self, site: Site, tokens: Sequence[str], channel: int) -> float | None:
        """Seconds for which *tokens* still let their bearer see *channel* (0: no more); None where none are needed."""
        if not site.settings.private:
            return None
        until = max((grant.expires for grant in self.read(site, tokens) if grant.covers(channel)), default=0)
        return max(0.0, min(until, _FAR) + LEEWAY - self._wall_time())

    def _grant(self, site: Site, token: str) -> Grant | None:
        secret = site.settings.channel_secret
        key = (site.id, secret, token, site.settings.channel_rule, site.settings.channel_ignore)
        known = self._known
        grant = known.get(key)
        if grant is None:
            grant = self._verify(site, secret, token)
            if grant is not None:
                known[key] = grant
                if len(known) > KNOWN:
                    known.popitem(last=False)
        return grant

    def _verify(self, site: Site, secret: str, token: str) -> Grant | None:
        if len(secret.encode()) < LEAST_SECRET or len(token) > 2_048:
            return None
        try:
            claims = jwt.decode(
                token, secret, algorithms=["HS256"], audience=f"site:{site.id}",
                options={"require": ["aud", "exp"], "verify_exp": False, "verify_iat": False, "verify_sub": False},
            )  # fmt: skip
            expires = int(claims["exp"])
            channels, name = claims.get("channels"), claims.get("name", "")
            if channels is not None:
                if not isinstance(channels, list) or len(channels) > MOST_CHANNELS:
                    return None
                keys = [site.key(key) for key in channels]
                channels = frozenset(site.channel(product, key) for key in keys for product in self._products)
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return None
        if not isinstance(name, str):
            return None
        return Grant(channels, "".join(letter for letter in name if letter.isprintable())[:NAME_LENGTH], expires)
