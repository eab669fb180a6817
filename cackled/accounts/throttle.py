"""How often somebody may try to sign in.

Two things draw from a bucket: the address that asks, and the account that is asked for. Alone, the second would let any
stranger lock an owner out by trying. So a browser in which somebody signed in before has a mark (a cookie that holds
for that account alone), and who comes with it draws from a bucket of its own alone; what strangers spend is theirs,
also where they share the owner's address.

Names that no account has are treated alike, so that nobody learns which have one.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from hashlib import blake2b

from cackled.accounts.store import email_key
from cackled.domain.errors import TooFast
from cackled.domain.limits import Buckets, address_key

# Tries a second and at once: of one address, of strangers on one account, and in a browser that the account knows.
ADDRESS = (1 / 10, 30)
STRANGERS = (1 / 60, 10)
KNOWN = (1 / 20, 20)
# Letters a second to one mail address, and at once.
MAIL = (1 / 600, 3)
# Seconds that a browser stays known.
MARK_LIFETIME = 180 * 86_400


class Throttle:
    """Counts tries; *secret* gives the key that all nodes share, by name, and *buckets* makes buckets of a name.

    Addresses that are *exempt* from limits are not counted.
    """

    def __init__(
        self, secret: Callable[[str], Awaitable[bytes]], buckets: Callable[[str, float, float], Buckets],
        exempt: Callable[[str], bool] = lambda address: False,
    ) -> None:  # fmt: skip
        self._secret = secret
        self._key = b""
        self._exempt = exempt
        self._addresses = buckets("signin.address", *ADDRESS)
        self._strangers = buckets("signin.stranger", *STRANGERS)
        self._known = buckets("signin.known", *KNOWN)
        self._mail = buckets("signin.mail", *MAIL)

    async def _ready(self) -> bytes:
        if not self._key:
            self._key = blake2b(await self._secret("session"), person=b"cackled.device").digest()
        return self._key

    async def mark(self, email: str) -> str:
        """The mark of a browser in which the account of *email* has signed in."""
        key = await self._ready()
        return blake2b(email_key(email).encode(), key=key, digest_size=20).hexdigest()

    async def take(self, email: str, address: str, mark: str) -> None:
        """Count a try.

        Raises:
            TooFast: there were too many.
        """
        own = await self.mark(email)
        if mark.isascii() and hmac.compare_digest(mark, own):
            self._known.take(email_key(email))
            return
        if not self._exempt(address):
            self._addresses.take(address_key(address))
        self._strangers.take(email_key(email))

    def take_address(self, address: str) -> None:
        """Count a try that names no account.

        Raises:
            TooFast: there were too many.
        """
        if not self._exempt(address):
            self._addresses.take(address_key(address))

    def take_mail(self, email: str) -> bool:
        """Whether one more letter may go to *email*."""
        try:
            self._mail.take(email_key(email))
        except TooFast:
            return False
        return True
