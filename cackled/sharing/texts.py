"""What is shared of a comment: its words, cut as the network counts, and the address of the comment."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from unicodedata import category, normalize

# What readers press to see is not shown.
_SPOILER = re.compile(r'<span class="spoiler">(?:[^<]|<(?!/?span))*</span>')
_ENDS = re.compile(r"</(?:p|li|blockquote|pre|h\d)>|<br ?/?>")
_TAG = re.compile(r"<[^>]*>")
_BLANKS = re.compile(r"[^\S\n]*\n\s*")
# A name here is nobody's name there: nobody is called by it.
_CALL = re.compile(r"(?<![\w/.-])@(?=\w)")
_APART = "\u200b"
# Where two characters are one on the screen (Unicode Standard Annex 29, the part of it that is never less than true).
_JOINER = "\u200d"
Count = Callable[[str], int]


def words_of(html: str) -> str:
    """The words of a comment's HTML, with names that call nobody."""
    bare = _TAG.sub("", _ENDS.sub("\n", _SPOILER.sub("\u2026", html)))
    text = _BLANKS.sub("\n", unescape(bare)).strip()
    return _CALL.sub(f"@{_APART}", normalize("NFC", text))


def clusters(text: str) -> list[str]:
    """The characters that a reader sees: never fewer than by the standard, so that nothing is longer than it counts."""
    found: list[str] = []
    pair = False
    for one in text:
        flag = "\U0001f1e6" <= one <= "\U0001f1ff"
        last = found[-1][-1] if found else ""
        joined = bool(found) and (
            one == _JOINER
            or category(one) in ("Mn", "Me")
            or "\U0001f3fb" <= one <= "\U0001f3ff"
            or "\U000e0020" <= one <= "\U000e007f"
            or (last == _JOINER and category(one) == "So")
            or (flag and pair)
        )
        pair = flag and not (joined and pair)
        if joined and last not in ("\n", "\r"):
            found[-1] += one
        else:
            found.append(one)
    return found


def cut(text: str, most: int, count: Count) -> str:
    """*text* of at most *most* by *count*, with an ellipsis for what is left out; cut at a space, where one is near."""
    if count(text) <= most:
        return text
    parts = clusters(text)
    low, high = 0, len(parts)
    while low < high:
        middle = (low + high + 1) // 2
        if count(_short(parts[:middle])) <= most:
            low = middle
        else:
            high = middle - 1
    kept = "".join(parts[:low])
    space = max(kept.rfind(" "), kept.rfind("\n"))
    if low < len(parts) and not parts[low].isspace() and space > len(kept) * 2 // 3:
        kept = kept[:space]
    short = _short([kept])
    return short if count(short) <= most else ""


def _short(parts: list[str]) -> str:
    # A mark behind the cut belongs to a letter that is left out.
    return "".join(parts).rstrip().rstrip(_JOINER) + "\u2026"


def whole(html: str, link: str, most: int, count: Count) -> str:
    """The words of a comment and below them *link*, together at most *most* by *count*."""
    words = cut(words_of(html), most - count(f"\n\n{link}"), count)
    return f"{words}\n\n{link}" if words else link


_LINK = re.compile(r"https?://\S+")


def mastodon_count(text: str) -> int:
    """How Mastodon counts (its StatusLengthValidator): characters as seen, and 23 for each address."""
    return len(clusters(_LINK.sub("x" * 23, text)))


# What X makes links of, also without http; each counts as much as its own short address.
_X_LINK = re.compile(r"https?://\S+|(?<![\w.@])[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?:/\S*)?")
_X_NARROW = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))


def x_count(text: str) -> int:
    """How X counts (twitter-text, configuration 3): most characters as one, those of East Asia and emoji as two, an
    address as 23. What may be no address counts as what is longer."""
    total, at = 0, 0
    for found in _X_LINK.finditer(text):
        total += _x_weight(text[at : found.start()])
        link = found[0]
        total += 23 if link.startswith("http") else max(23, _x_weight(link))
        at = found.end()
    return total + _x_weight(text[at:])


def _x_weight(text: str) -> int:
    total = 0
    for cluster in clusters(text):
        first = cluster[0]
        emoji = category(first) == "So" and ord(first) > 0x2000
        if emoji and all(one in "\u200d\ufe0f" or category(one) in ("So", "Sk", "Cf") for one in cluster):
            total += 2
        else:
            total += sum(1 if any(low <= ord(one) <= high for low, high in _X_NARROW) else 2 for one in cluster)
    return total


def bluesky_count(text: str) -> int:
    """How Bluesky counts (lexicon of app.bsky.feed.post): characters as seen, and ten bytes for each of its 300."""
    return max(len(clusters(text)), -(-len(text.encode()) // 10))
