"""Single sign-on signed by a site's own server: five forms of one statement, "this visitor is that person of mine".

Each form is checked over the bytes as they came, never over JSON encoded anew: other languages escape it differently.
A form that does not hold raises `BadAssertion` with a ``reason`` that the site's owner can act on. Nothing here keeps
state: what may be used once only (``nonce``) is for the caller to remember until ``expires``.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import jwt
import msgspec
from msgspec import Struct

from cackled.domain.errors import Refused
from cackled.domain.text import clean_name

Form = Literal["jwt", "fastcomments", "disqus", "commento", "cackle"]

# Clocks may differ by this much, in seconds.
LEEWAY = 60.0
# How old a statement of each form may be, in seconds; a JWT says so itself, and never more than `LONGEST`.
FASTCOMMENTS_AGE = 2 * 86_400.0
DISQUS_AGE = 2 * 3_600.0
LONGEST = 7 * 86_400.0
# A timestamp above this is in milliseconds.
MILLISECONDS = 100_000_000_000
MOST_BYTES = 16_384
MOST_GROUPS, GROUP_LENGTH = 100, 50
MOST_BADGES, BADGE_LENGTH = 30, 40
ID_LENGTH, NAME_LENGTH, EMAIL_LENGTH, URL_LENGTH = 255, 60, 250, 2_000
LEAST_SECRET = 32

# Times are compared with our own clock below; a subject may be a number.
_OPTIONS: Any = {
    "require": ["aud", "exp", "sub"],
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_sub"), False),
}  # fmt: skip
_EMAIL = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,64}@[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,185}")


class BadAssertion(Exception):
    """A statement that does not hold. ``reason`` is a stable slug, the text is for the site's owner."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Person(Struct, frozen=True, kw_only=True):
    """A person that a site vouches for.

    ``id`` is the site's own and names the person together with the site; ``email`` is a hint, and ``""`` where the site
    gave none. ``expires`` is in seconds since 1970: the statement is not to be believed after it. ``nonce`` is what
    may be used once only, or ``""``.
    """

    form: Form
    id: str
    name: str
    email: str = ""
    # The site knows that the address is the person's.
    email_verified: bool = False
    avatar: str = ""
    url: str = ""
    groups: tuple[str, ...] = ()
    badges: tuple[str, ...] = ()
    staff: Literal["", "moderator", "admin"] = ""
    channels: tuple[str, ...] | None = None
    issued: float
    expires: float
    nonce: str = ""


class Logout(Struct, frozen=True):
    """The site says that nobody is signed in."""

    form: Form


def verify_jwt(token: str, site: int, keys: Sequence[str | Any], now: float) -> Person:
    """Our own form: a JWT (RFC 7519) signed with HS256 or EdDSA, ``aud`` ``site:<number>``, with ``sub`` and ``name``.

    *keys* are the site's live keys: text for HS256 (32 bytes at least, RFC 7518 section 3.2), Ed25519 public keys for
    EdDSA. An algorithm is only tried with a key of its own kind.

    Raises:
        BadAssertion
    """
    _bounded(token)
    claims: dict[str, Any] | None = None
    trouble: Exception | None = None
    for key in keys:
        shared = isinstance(key, str)
        if shared and len(key.encode()) < LEAST_SECRET:
            trouble = BadAssertion("weak-key", f"The signing key is shorter than {LEAST_SECRET} bytes.")
            continue
        try:
            claims = jwt.decode(
                token, key, algorithms=["HS256"] if shared else ["EdDSA"], audience=f"site:{site}", options=_OPTIONS
            )
            break
        except jwt.InvalidAudienceError:
            raise BadAssertion("wrong-audience", f"aud has to be site:{site}.") from None
        except jwt.MissingRequiredClaimError as error:
            raise BadAssertion("missing-claim", f"The claim {error.claim} is missing.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            # Also a key that the library takes for one of another kind, as it begins like that.
            trouble = error
    if claims is None:
        if isinstance(trouble, BadAssertion):
            raise trouble
        raise BadAssertion("bad-signature", "The signature does not match any of the site's keys.")
    expires, issued = _seconds(claims["exp"], "exp"), _seconds(claims.get("iat", now), "iat")
    if now > expires + LEEWAY:
        raise BadAssertion("expired", f"It expired {now - expires:.0f} seconds ago.")
    if issued > now + LEEWAY:
        raise BadAssertion("from-the-future", f"Its iat is {issued - now:.0f} seconds ahead of our clock.")
    begins = _seconds(claims.get("nbf", now), "nbf")
    if begins > now + LEEWAY:
        raise BadAssertion("from-the-future", f"It holds from {begins - now:.0f} seconds on (nbf), by our clock.")
    if expires - now > LONGEST + LEEWAY:
        raise BadAssertion("too-long", "It is valid for more than seven days.")
    channels = claims.get("channels")
    staff = claims.get("staff", "")
    return Person(
        form="jwt",
        id=_identity(claims["sub"]),
        name=_name(claims.get("name")),
        email=email_address(claims.get("email", "")),
        email_verified=claims.get("email_verified") is True,
        avatar=web_address(claims.get("avatar", "")),
        url=web_address(claims.get("url", "")),
        groups=_names(claims.get("groups", ()), "groups", MOST_GROUPS, GROUP_LENGTH),
        badges=_names(claims.get("badges", ()), "badges", MOST_BADGES, BADGE_LENGTH),
        staff="admin" if staff == "admin" else "moderator" if staff in ("moderator", True) else "",
        channels=None if channels is None else _names(channels, "channels", 1_000, 500),
        issued=issued,
        expires=expires,
        nonce=_line(claims.get("jti", ""), 128),
    )


def verify_fastcomments(user: str, given_hash: str, timestamp: Any, secret: str, now: float) -> Person | Logout:
    """FastComments' secure SSO: hex HMAC-SHA256 over the timestamp (milliseconds) and the base64 text.

    Raises:
        BadAssertion
    """
    _bounded(user)
    made = _digest(secret.encode(), f"{_timestamp(timestamp)}{user}".encode(), "sha256")
    _same(made, given_hash)
    at = _recent(timestamp, now, FASTCOMMENTS_AGE)
    members = _members(user)
    if not members:
        return Logout("fastcomments")
    staff: Literal["", "moderator", "admin"] = ""
    if members.get("isModerator") is True:
        staff = "moderator"
    if members.get("isAdmin") is True:
        staff = "admin"
    name = members.get("displayName") or members.get("username") or ""
    return _person("fastcomments", members, name, at, FASTCOMMENTS_AGE, "websiteUrl", staff,
                   _names(members.get("groupIds") or (), "groupIds", MOST_GROUPS, GROUP_LENGTH))  # fmt: skip


def verify_disqus(text: str, secret: str, now: float) -> Person | Logout:
    """Disqus' ``remote_auth_s3``: base64, hex HMAC-SHA1 over "base64 timestamp", timestamp in seconds.

    Raises:
        BadAssertion
    """
    user, given, timestamp = _three(text)
    _same(_digest(secret.encode(), f"{user} {timestamp}".encode(), "sha1"), given)
    at = _recent(timestamp, now, DISQUS_AGE)
    members = _members(user)
    if not members:
        return Logout("disqus")
    return _person("disqus", members, members.get("username") or "", at, DISQUS_AGE, "url")


def verify_cackle(text: str, key: str, now: float, window: float) -> Person | Logout:
    """Cackle's ``ssoAuth``: base64, hex MD5 over base64, key and timestamp (seconds or milliseconds).

    MD5 is weak: a site has to ask for this form, and *window* (seconds) bounds its age.

    Raises:
        BadAssertion
    """
    user, given, timestamp = _three(text)
    _same(hashlib.md5(f"{user}{key}{timestamp}".encode(), usedforsecurity=False).hexdigest(), given)
    at = _recent(timestamp, now, window)
    members = _members(user)
    if not members:
        return Logout("cackle")
    return _person("cackle", members, members.get("name") or "", at, window, "www")


def verify_commento(payload: str, given: str, secret: str, token: str, now: float) -> Person:
    """Commento's callback: hex JSON, hex HMAC-SHA256 under the hex-decoded secret over the decoded bytes.

    *token* is what we gave out with `sign_commento_token` and is good for one answer.

    Raises:
        BadAssertion
    """
    _bounded(payload)
    raw = _unhex(payload, "payload")
    _same(_digest(_unhex(secret, "secret"), raw, "sha256"), given)
    members = _object(raw)
    if not hmac.compare_digest(str(members.get("token", "")).encode(), token.encode()):
        raise BadAssertion("wrong-token", "The answer is not to the question that was asked.")
    email = email_address(members.get("email", ""))
    if not email:
        raise BadAssertion("missing-claim", "The member email is missing.")
    return Person(
        form="commento", id=email.lower(), name=_name(members.get("name")), email=email,
        avatar=web_address(members.get("photo", "")), url=web_address(members.get("link", "")),
        issued=now, expires=now + LONGEST, nonce=token,
    )  # fmt: skip


def commento_token(payload: str) -> str:
    """The token that *payload*, which nobody has checked yet, says it answers to.

    Raises:
        BadAssertion
    """
    _bounded(payload)
    return str(_object(_unhex(payload, "payload")).get("token", ""))[:200]


def sign_commento_token(token: bytes, secret: str) -> str:
    """The ``hmac`` that goes with *token* on the way to the site.

    Raises:
        BadAssertion: the secret is no hex text.
    """
    return _digest(_unhex(secret, "secret"), token, "sha256")


def _person(
    form: Form, members: dict[str, Any], name: Any, at: float, life: float, url: str,
    staff: Literal["", "moderator", "admin"] = "", groups: tuple[str, ...] = (),
) -> Person:  # fmt: skip
    return Person(
        form=form, id=_identity(members.get("id")), name=_name(name), email=email_address(members.get("email")),
        avatar=web_address(members.get("avatar")), url=web_address(members.get(url)), groups=groups, staff=staff,
        issued=at, expires=at + life,
    )  # fmt: skip


def _bounded(text: str) -> None:
    if not isinstance(text, str) or len(text) > MOST_BYTES:
        raise BadAssertion("too-long", f"It is longer than {MOST_BYTES} characters.")


def _three(text: str) -> tuple[str, str, str]:
    _bounded(text)
    parts = text.split()
    if len(parts) != 3:
        raise BadAssertion("malformed", "It has to be three words: the data, the signature and the time.")
    return parts[0], parts[1], parts[2]


def _digest(key: bytes, message: bytes, name: str) -> str:
    return hmac.new(key, message, name).hexdigest()


def _same(made: str, given: str) -> None:
    if not isinstance(given, str) or not hmac.compare_digest(made.encode(), given.lower().encode("utf-8", "replace")):
        raise BadAssertion("bad-signature", "The signature does not match the site's key.")


def _timestamp(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise BadAssertion("malformed", "The time is no number.")
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadAssertion("malformed", "The time is no number.")
    return text


def _recent(value: Any, now: float, age: float) -> float:
    number = int(_timestamp(value))
    at = number / 1000 if number > MILLISECONDS else float(number)
    if at > now + LEEWAY:
        raise BadAssertion("from-the-future", f"Its time is {at - now:.0f} seconds ahead of our clock.")
    if now - at > age + LEEWAY:
        raise BadAssertion("expired", f"It was made {now - at:.0f} seconds ago; {age:.0f} are allowed.")
    return at


def _seconds(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        raise BadAssertion("malformed", f"{name} is no time.")
    return float(value)


def _members(text: str) -> dict[str, Any]:
    try:
        raw = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadAssertion("malformed", "The data is no base64.") from None
    return _object(raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAssertion("malformed", "The data is no JSON.") from None
    if found == []:
        return {}  # PHP's empty array
    if not isinstance(found, dict):
        raise BadAssertion("malformed", "The data is no JSON object.")
    return found


def _unhex(text: str, name: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadAssertion("malformed", f"The {name} is no hex text.") from None


def _identity(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadAssertion("missing-claim", "The person has no id.")
    if len(value) > ID_LENGTH or not value.isprintable():
        raise BadAssertion("malformed", f"The person's id is not {ID_LENGTH} printable characters at most.")
    return value.strip()


def _name(value: Any) -> str:
    name = _line(value, NAME_LENGTH)
    try:
        return clean_name(name)
    except Refused:
        raise BadAssertion("missing-claim", "The person has no name that can be shown.") from None


def _line(value: Any, most: int) -> str:
    if not isinstance(value, str):
        return ""
    return " ".join("".join(one if one.isprintable() else " " for one in value[: most * 4]).split())[:most]


def email_address(value: Any) -> str:
    """*value* where it is an address of mail, else ``""``."""
    if not isinstance(value, str) or len(value) > EMAIL_LENGTH or _EMAIL.fullmatch(value) is None:
        return ""
    return value


def web_address(value: Any) -> str:
    """*value* where it is an address of the web without a user, else ``""``."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > URL_LENGTH or " " in value:
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return ""
    return value


def _names(value: Any, claim: str, most: int, longest: int) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or len(value) > most:
        raise BadAssertion("malformed", f"{claim} is a list of at most {most} names.")
    if not all(isinstance(one, str) and 0 < len(one) <= longest for one in value):
        raise BadAssertion("malformed", f"Each of {claim} is a text of at most {longest} characters.")
    return tuple(dict.fromkeys(value))
