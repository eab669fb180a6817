"""Work that browsers do before they start a conversation while very many begin: cheap for one, dear for thousands.

A browser looks for a number so that SHA-256 of salt and number begins with so many zero bits. The salt is made of the
site, the sender's address and the hour's part, so nothing is kept, and nobody can work ahead or for others.
"""

from __future__ import annotations

from hashlib import blake2b, sha256
from hmac import compare_digest

from cackled.domain.errors import Forbidden

# About a quarter of a million digests: a second of a phone.
BITS = 18
# Seconds for which a salt is given out; it is taken for as long again.
WINDOW = 300


def salt_of(key: bytes, site: int, address: str, now: float, back: int = 0) -> str:
    """The salt of this moment, or of *back* windows before."""
    words = f"{site} {address} {int(now // WINDOW) - back}"
    return blake2b(words.encode("utf-8", "replace"), key=key, digest_size=12, person=b"cackled.rush").hexdigest()


def worked(salt: str, number: str, bits: int = BITS) -> bool:
    """Whether *number* is what was looked for."""
    if not (number.isascii() and number.isdigit() and len(number) <= 20):
        return False
    digest = sha256(f"{salt}{number}".encode()).digest()
    return int.from_bytes(digest, "big") >> (256 - bits) == 0


def check(key: bytes, site: int, address: str, now: float, sent: str) -> None:
    """See that the work was done. *sent*: the salt and the number, with a full stop between them.

    Raises:
        Forbidden: it was not; it says what is to be done.
    """
    salt, _, number = sent.partition(".")
    salts = [salt_of(key, site, address, now, back) for back in (0, 1)]
    if any(compare_digest(one.encode(), salt.encode("utf-8", "replace")) for one in salts) and worked(salt, number):
        return
    refused = Forbidden("Very many start conversations at this moment. Do the work and send it.", slug="work-needed")
    refused.extra = {"work": {"salt": salts[0], "bits": BITS}}
    raise refused
