"""The settings of a site, declared once: name, kind, allowed values, default, help.

Console, command line and documentation are made from `SETTINGS`; what an operator types is read by `read`, which
refuses what would break later. Kinds and bounds come from `SiteSettings`.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, inspect

from cackled.domain.errors import BadField
from cackled.domain.grants import LEAST_SECRET
from cackled.domain.sites import SiteSettings

_YES = frozenset(("yes", "true", "on", "1"))
_NO = frozenset(("no", "false", "off", "0"))
_LONGEST = 2_000

# What each is for, in one line.
HELP = {
    "level": "how deep answers are indented; an answer to one at that depth is refused; 0: no answers",
    "edit_seconds": "how long an author may change a comment; 0: not at all",
    "max_length": "characters of a comment",
    "posting": "whether comments may be written and changed; no: everything stays readable",
    "votes": "whether there are votes",
    "typing": "whether pages show that somebody is writing",
    "presence": "whether pages show how many are there",
    "private": "whether only bearers of a grant that channel_secret signed see anything",
    "channel_secret": "signs the grants of a private site (HS256)",
    "webhook_url": "where each change is sent; empty: nowhere",
    "webhook_secret": "signs what is sent there",
    "moderator_email": "who is written to of reports and comments; empty: nobody",
    "notify": "of what moderators are told",
    "mail_address": "whether mail to moderators names the network address that a comment came from",
}


class Setting(Struct, frozen=True):
    """One setting: *default* and *allowed* as an operator reads and types them."""

    name: str
    kind: str
    default: str
    allowed: str
    help: str

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return "secret" in self.name


def as_text(value: object) -> str:
    """A value as `read` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def read(name: str, text: str, check_url: Callable[[str], None] | None = None) -> Any:
    """The value of setting *name* that an operator typed; *check_url* refuses (ValueError) addresses never sent to.

    Raises:
        BadField: there is no such setting, or it can't have that value; the message says what it can have.
    """
    setting = SETTINGS.get(name)
    if setting is None:
        raise BadField(f"there is no setting {name[:60]}; there are {', '.join(SETTINGS)}", field=name)
    text = text.strip()
    try:
        if setting.kind == "yes or no":
            return _switch(text)
        if setting.kind == "number":
            return _number(text, name)
        if setting.kind == "choice":
            if text not in setting.allowed.split(", "):
                raise ValueError
            return text
        if not text.isprintable():
            raise ValueError
        return _text(name, text, check_url)
    except _Wrong as error:
        raise BadField(f"{name}: {error}", field=name) from None
    except ValueError:
        raise BadField(f"{name}: {setting.allowed}", field=name) from None


class _Wrong(ValueError):
    """The message says what is wrong."""


def _switch(text: str) -> bool:
    lower = text.lower()
    if lower in _YES:
        return True
    if lower in _NO:
        return False
    raise ValueError


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError
    low, high = _bounds(_KINDS[name])
    if not low <= int(text) <= high:
        raise ValueError
    return int(text)


def _text(name: str, text: str, check_url: Callable[[str], None] | None) -> str:
    if text and name == "channel_secret" and len(text.encode()) < LEAST_SECRET:
        raise ValueError
    if text and name == "webhook_url":
        _web_address(text)
        if check_url is not None:
            try:
                check_url(text)
            except ValueError as error:
                raise _Wrong(str(error)) from None
    try:
        msgspec.convert({name: text}, SiteSettings)
    except msgspec.ValidationError:
        raise ValueError from None
    return text


def _web_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _Wrong(f"{url[:100]!r} is no web address") from None
    if parts.scheme not in ("http", "https"):
        raise _Wrong("an address begins with https:// or http://")
    if not host or len(url) > _LONGEST or " " in url or not url.isascii():
        raise _Wrong(f"{url[:100]!r} is no web address; names of other scripts are written in punycode")
    if parts.username is not None or parts.password is not None:
        raise _Wrong("no user and password in the address; webhook_secret signs what is sent")
    if parts.fragment:
        raise _Wrong("what follows a # is never sent; leave it out")
    try:
        ip_address(host)
    except ValueError:
        if any(not label or len(label) > 63 for label in host.rstrip(".").split(".")):
            raise _Wrong(f"{host[:100]!r} is no host name") from None


def _bounds(kind: Any) -> tuple[int, int]:
    return (0 if kind.ge is None else kind.ge), (2**31 - 1 if kind.le is None else kind.le)


def _declared() -> dict[str, Setting]:
    made = {}
    for field in msgspec.structs.fields(SiteSettings):
        name, kind = field.name, _KINDS[field.name]
        if isinstance(kind, inspect.BoolType):
            what, allowed = "yes or no", "yes or no"
        elif isinstance(kind, inspect.IntType):
            low, high = _bounds(kind)
            what, allowed = "number", f"a number from {low} to {high}"
        elif isinstance(kind, inspect.LiteralType):
            what, allowed = "choice", ", ".join(str(one) for one in kind.values)
        else:
            what, allowed = "text", _ALLOWED.get(name, "printable text")
        default = "(none)" if field.default == "" else as_text(field.default)
        made[name] = Setting(name, what, default, allowed, HELP.get(name, ""))
    return made


_KINDS: dict[str, Any] = {
    field.name: field.type for field in inspect.type_info(SiteSettings).fields  # type: ignore[attr-defined]
}
_ALLOWED = {
    "channel_secret": f"{LEAST_SECRET} to 512 characters, or empty",
    "webhook_url": "an http or https address, or empty",
    "webhook_secret": "printable text, or empty",
    "moderator_email": "an address name@host, or empty",
}
SETTINGS = _declared()


def markdown() -> str:
    """The table of the documentation."""
    lines = ["| setting | values | default | what |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {one.allowed} | {one.default} | {one.help} |" for one in SETTINGS.values()]
    return "\n".join(lines)
