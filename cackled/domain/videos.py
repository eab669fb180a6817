"""Videos of other sites by their addresses: which provider's, and under which id."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

_YOUTUBE_HOSTS = frozenset(("youtube.com", "www.youtube.com", "m.youtube.com", "youtube-nocookie.com",
                            "www.youtube-nocookie.com"))  # fmt: skip
_YOUTUBE = re.compile("[A-Za-z0-9_-]{11}", re.ASCII)
_VIMEO = re.compile("[0-9]{1,12}", re.ASCII)
_HASH = re.compile("[0-9a-f]{6,20}", re.ASCII)


def canonical(address: str) -> str | None:
    """``youtube:ID``, ``vimeo:ID`` or, for an unlisted one, ``vimeo:ID:HASH``; None: it is no video we know."""
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    path = [one for one in parts.path.split("/") if one]
    if host in ("youtu.be", "www.youtu.be") and path:
        return _youtube(path[0])
    if host in _YOUTUBE_HOSTS:
        if path[:1] == ["watch"]:
            return _youtube(parse_qs(parts.query).get("v", [""])[0])
        return _youtube(path[1]) if len(path) == 2 and path[0] in ("embed", "shorts", "live", "v") else None
    if host in ("vimeo.com", "www.vimeo.com", "player.vimeo.com"):
        numbers = path[1:] if path[:1] == ["video"] else path
        if not numbers or _VIMEO.fullmatch(numbers[0]) is None:
            return None
        secret = numbers[1] if len(numbers) > 1 else parse_qs(parts.query).get("h", [""])[0]
        if secret and _HASH.fullmatch(secret) is None:
            return None
        return f"vimeo:{numbers[0]}" + (f":{secret}" if secret else "")
    return None


def _youtube(name: str) -> str | None:
    return f"youtube:{name}" if _YOUTUBE.fullmatch(name) else None
