"""Web addresses in what visitors type: where one begins and ends, what it leads to, and what is shown of it.

Every function takes time that is linear in what it consumes, or bounded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import category, name, normalize
from urllib.parse import quote

import idna
from msgspec import Struct

# RFC 1035, 2.3.4, as text.
LONGEST_HOST = 253
# Where one may begin: `find` is asked there.
BEGINNING = r"https?://|www\.|mailto:"

# White space, quotation marks, brackets and what is invisible end an address that stands in a text.
_END = (
    "\\s<>\"`\\\\\\[\\]{}|^\u00ab\u00bb\u2018-\u201f\u2039\u203a\u3001\u3002\u3008-\u3011\u3014-\u301b\uff01\uff08\uff09\uff0c\uff0e"
    "\uff1a\uff1b\uff1f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\x00-\x1f\x7f"
)
_NAME = r"(?>(?:[^\W_][\w-]{0,62}\.){0,100}[^\W_][\w-]{0,62})"
_NUMBERS = r"\[[0-9a-f:.]{2,45}\]"
_ADDRESS = re.compile(
    rf"(?:(?P<scheme>https?)://|(?=www\.[\w-]+\.\w\w))"
    rf"(?P<host>(?=[\w.-]{{1,{LONGEST_HOST + 3}}}(?![\w.-])){_NAME}|{_NUMBERS})(?![%@\w-]|://)"
    rf"(?P<port>:\d{{1,5}}(?![\w%@]))?(?!:[^\s/@]{{0,200}}@)(?P<rest>[/?#][^{_END}]*)?",
    re.IGNORECASE,
)
_MAIL = re.compile(
    rf"mailto:(?P<user>[\w.!#$%&'*+/=?~-]{{1,64}})@(?P<host>(?:[^\W_][\w-]{{0,62}}\.){{1,8}}[^\W_][\w-]{{0,62}})"
    rf"(?P<rest>\?[^{_END}]*)?",
    re.IGNORECASE,
)
# What belongs to the sentence and not to the address.
_TRAILING = ".,;:!?'*_~\u2026\u00b7"
_SAFE = "%/?#[]@!$&'()*+,;=:~-._"


class Address(Struct, frozen=True):
    """One address: where it ends in the text, what it leads to, and what is shown for it."""

    end: int
    href: str
    shown: str


def find(text: str, at: int) -> Address | None:
    """The address that begins in *text* at *at*, or None: none begins there."""
    if at and (text[at - 1] in "_@/.-" or (text[at - 1].isalnum() and text[at - 1] < _NO_SPACES)):
        return None
    found = (_MAIL if text[at] in "mM" else _ADDRESS).match(text, at)
    if found is None:
        return None
    end = found.end() if found["rest"] is None else _trimmed(text, found.end(), found.start("rest"))
    shown = text[at:end]
    href = target("http://" + shown if text[at] in "wW" else shown)
    return None if href is None else Address(end, href, display(shown))


# Writing from here on (Chinese, Japanese) sets no spaces between words.
_NO_SPACES = "\u2e80"


def _trimmed(text: str, end: int, least: int) -> int:
    """Where an address that was read up to *end* ends without the punctuation that comes after it."""
    opened = text.count("(", least, end) - text.count(")", least, end)
    while end > least:
        last = text[end - 1]
        if last == ")" and opened < 0:
            opened += 1
        elif last == "(":
            opened -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return end


_SPLIT = re.compile(r"(?P<head>https?://)(?P<host>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(rf"(?P<host>{_NAME}\.?|{_NUMBERS})(?P<port>:\d{{0,5}})?", re.IGNORECASE)


def target(url: str) -> str | None:
    """*url* as the address of a link, in ASCII: its host in punycode, all else percent-encoded.

    None: it is none that we would lead anybody to (another scheme, a user or password in it, no valid host).
    """
    if url[:7].lower() == "mailto:":
        return quote(url, safe=_SAFE) if "@" in url else None
    parts = _SPLIT.fullmatch(url)
    if parts is None or len(parts["host"]) > LONGEST_HOST + 6:
        return None
    authority = _AUTHORITY.fullmatch(parts["host"])
    if authority is None:
        return None
    host = ascii_host(authority["host"])
    if host is None:
        return None
    return parts["head"].lower() + host + (authority["port"] or "") + quote(parts["rest"], safe=_SAFE)


def host_of(url: str) -> str:
    """The host of a link's address, in ASCII; of a mail address too."""
    if url[:7].lower() == "mailto:":
        return url.partition("?")[0].rpartition("@")[2].lower()
    parts = _SPLIT.fullmatch(url)
    return "" if parts is None else _PORT.sub("", parts["host"])


_PORT = re.compile(r":\d*\Z")


def display(url: str) -> str:
    """*url* as it is shown: as it was typed, but its host in punycode where it could be taken for another."""
    parts = _SHOWN.match(url)
    if parts is None or parts["host"].isascii() or honest(parts["host"]):
        return url
    return parts["head"] + (ascii_host(parts["host"]) or "") + url[parts.end() :]


_SHOWN = re.compile(r"(?P<head>https?://|mailto:[^@]*@|)(?P<host>[^/?#:\s]*)", re.IGNORECASE)


@lru_cache(maxsize=1024)
def ascii_host(host: str) -> str | None:
    """*host* in ASCII (UTS 46), or None where it is no valid name."""
    if host.isascii():
        return host.lower()
    if len(host) > LONGEST_HOST:
        return None
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError, ValueError):
        return None


# Writing systems in daily use (UAX 31, table 5), by the first word of their letters' names; others aren't shown.
_SCRIPTS = {
    "ARABIC", "ARMENIAN", "BENGALI", "BOPOMOFO", "CJK", "CYRILLIC", "DEVANAGARI", "ETHIOPIC", "GEORGIAN", "GREEK",
    "GUJARATI", "GURMUKHI", "HANGUL", "HEBREW", "HIRAGANA", "KANNADA", "KATAKANA", "KHMER", "LAO", "LATIN",
    "MALAYALAM", "MYANMAR", "ORIYA", "SINHALA", "TAMIL", "TELUGU", "THAANA", "THAI", "TIBETAN",
}  # fmt: skip
_ALIASES = {"IDEOGRAPHIC": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}
# Those that go together in one word.
_TOGETHER = ({"CJK", "HIRAGANA", "KATAKANA"}, {"CJK", "HANGUL"}, {"CJK", "BOPOMOFO"})
# Letters that can be taken for Latin ones (after Chromium's lists for its address bar).
_LOOKALIKES = {
    "CYRILLIC": "\u0430\u044b\u0441\u0501\u0435\u050d\u04bb\u0456\u044e\u0458\u04cf\u043e\u0440\u0517\u051b\u0455"
    "\u051d\u0445\u0443\u044a\u044c\u04bd\u043f\u0433\u0475\u0461",
    "GREEK": "\u03b1\u03b9\u03ba\u03bd\u03c1\u03c5\u03c9\u03b7\u03bf\u03c4\u03b3\u03c7\u03c3\u03c2\u03b5\u03b2",
    "ARMENIAN": "\u0561\u0563\u0566\u056c\u0570\u0578\u057c\u057d\u0581\u0585\u0575\u057f\u0584",
    "GEORGIAN": "\u10e7\u10dd\u10d8\u10d5",
    "ETHIOPIC": "\u1200\u1206\u1210\u1260\u1270\u12d0\u1350\u12ae",
    "LAO": "\u0eab\u0e87\u0e9e\u0e9f\u0eb2\u0e81",
    "THAI": "\u0e1a\u0e1e\u0e1f\u0e23\u0e32\u0e40\u0e41\u0e50",
}


@lru_cache(maxsize=1024)
def honest(host: str) -> bool:
    """Whether *host* can be shown in its own letters: each part in one writing system, not to be taken for Latin."""
    folded = normalize("NFC", host.lower())
    if normalize("NFKC", folded) != folded:
        return False
    parts = folded.split(".")
    latin_end = parts[-1].isascii() or not parts[-1]
    return all(_honest(part, latin_end) for part in parts)


def _honest(label: str, latin_end: bool) -> bool:
    if label.isascii():
        return True
    scripts: set[str] = set()
    letters = []
    for letter in label:
        kind = category(letter)
        if letter == "-" or letter in "0123456789":
            continue
        if kind[0] == "N" or (kind[0] == "M" and not scripts - {"LATIN", "CYRILLIC", "GREEK"}):
            return False
        script = name(letter, "?").partition(" ")[0]
        script = _ALIASES.get(script, script)
        if kind[0] != "M" and (script not in _SCRIPTS or (script == "LATIN" and not _usual(letter))):
            return False
        if kind[0] != "M":
            scripts.add(script)
            letters.append(letter)
    if len(scripts) > 1:
        return any(scripts <= several for several in _TOGETHER)
    script = next(iter(scripts), "")
    return not (latin_end and all(letter in _LOOKALIKES.get(script, "") for letter in letters))


def _usual(letter: str) -> bool:
    """Whether a Latin letter is one of ASCII, with or without an accent, or one that Europe's languages know."""
    return normalize("NFD", letter)[0].isascii() or (letter < "\u0180" and letter not in "\u0131\u0138\u017f")


_NAMED = re.compile(rf"(?:https?://|(?=www\.)|\A\s*)(?P<host>{_NAME})(?=[/?#:\s]|\Z)", re.IGNORECASE)


def names(words: str, host: str) -> bool:
    """Whether the words of a link are honest about its *host*: they name it, or none at all, and it can be read."""
    named = [found["host"] for found in _NAMED.finditer(words) if "." in found["host"]]
    if not named:
        return "xn--" not in host or _readable(host)
    return all(_bare(ascii_host(name) or "") == _bare(host) for name in named)


def _bare(host: str) -> str:
    return host.lower().removeprefix("www.").rstrip(".")


def _readable(host: str) -> bool:
    try:
        return honest(idna.decode(host))
    except (idna.IDNAError, UnicodeError, ValueError):
        return False
