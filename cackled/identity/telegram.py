"""Telegram's way to sign in: its widget's answer, signed with a key made from the bot's token
(core.telegram.org/widgets/login, "Checking authorization")."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import msgspec

from cackled.identity.presets import Somebody
from cackled.identity.provider_http import SignInFailed, text

AUTHORIZE = "https://oauth.telegram.org/auth"
# Seconds that an answer is good for.
AGE = 900.0


def address(bot: str, origin: str, back: str) -> str:
    """Where the browser is sent."""
    asked = {"bot_id": bot, "origin": origin, "embed": "0", "request_access": "write", "return_to": back}
    return f"{AUTHORIZE}?{urlencode(asked)}"


def somebody(result: str, token: str, now: float) -> Somebody:
    """Who *result* (``tgAuthResult``: JSON in base64) is about.

    Raises:
        SignInFailed: it does not hold.
    """
    try:
        raw = b64decode(result + "=" * (-len(result) % 4), altchars=b"-_" if "-" in result or "_" in result else None)
        said: Any = msgspec.json.decode(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise SignInFailed("broken", "Telegram: no JSON") from None
    if said is False or not isinstance(said, dict):
        raise SignInFailed("refused", "Telegram: nobody")
    lines = sorted(f"{name}={_shown(value)}" for name, value in said.items() if name != "hash")
    made = hmac.new(sha256(token.encode()).digest(), "\n".join(lines).encode(), sha256).hexdigest()
    if not token or not hmac.compare_digest(made, text(said, "hash").encode("ascii", "replace").decode()):
        raise SignInFailed("broken", "Telegram: its hash does not match the bot's token")
    at = text(said, "auth_date")
    if not (at.isascii() and at.isdigit()) or not -60 <= now - int(at[:12]) <= AGE:
        raise SignInFailed("late", "Telegram: an old answer")
    name = " ".join(filter(None, (text(said, "first_name"), text(said, "last_name")))) or text(said, "username")
    return Somebody(text(said, "id"), name, "", False, text(said, "photo_url"))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
