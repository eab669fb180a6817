"""The settings of a site as operators type and read them: name, kind, allowed values, default, help.

Console, command line and documentation are made from a `SettingTable`; what is typed is refused where it would break
later. Kinds, bounds and help come from the declarations in `cackled.domain.settings` and of the products.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, inspect
from msgspec.structs import replace

from cackled.domain.errors import BadField
from cackled.domain.grants import LEAST_SECRET
from cackled.domain.settings import SettingsShape, SiteSettings

_YES = frozenset(("yes", "true", "on", "1"))
_NO = frozenset(("no", "false", "off", "0"))
_LONGEST = 2_000
_ALLOWED = {
    "channel_old_secret": f"{LEAST_SECRET} to 512 characters, or empty",
    "channel_public_key": "64 hexadecimal digits, or empty",
    "locks": "PATTERN read RULE or PATTERN write RULE, apart by semicolons; RULE: everyone, signed-in, sso or "
    "group:NAME,group:NAME",
    "channel_secret": f"{LEAST_SECRET} to 512 characters, or empty",
    "channel_ignore": "names of parameters, apart by commas, * for any end: ref, src_*",
    "webhook_secret": "printable text, or empty",
    "moderator_email": "an address name@host, or empty",
}
_ADDRESS = "an http or https address, or empty"


class Setting(Struct, frozen=True):
    """One setting: *default* and *allowed* as an operator reads and types them; *label* is its name in the panel, and
    *choices* are the words there for what is chosen from."""

    name: str
    kind: str
    default: str
    allowed: str
    help: str
    label: str
    choices: dict[str, str]

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return "secret" in self.name


def as_text(value: object) -> str:
    """A value as `read` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


@cache
def _fields(kind: type[Struct]) -> tuple[inspect.Field, ...]:
    found: tuple[inspect.Field, ...] = inspect.type_info(kind).fields  # type: ignore[attr-defined]
    return found


class SettingTable:
    """All settings of *shape*, by whole name in ``settings``."""

    def __init__(self, shape: SettingsShape) -> None:
        self._shape = shape
        self._kinds: dict[str, Any] = {}
        # Those that are addresses which requests are sent to.
        self._addresses: set[str] = set()
        self.settings: dict[str, Setting] = {}
        self._declare("", SiteSettings())
        for one in shape.products.values():
            self._declare(f"{one.product}.", one.default)

    def _declare(self, prefix: str, default: Struct) -> None:
        for field in _fields(type(default)):
            kind, told, label, choices, address = field.type, "", "", {}, False
            if isinstance(kind, inspect.Metadata):
                told = str((kind.extra_json_schema or {}).get("description", ""))
                label = str((kind.extra_json_schema or {}).get("title", ""))
                choices = dict((kind.extra or {}).get("choices", {}))
                address = bool((kind.extra or {}).get("address"))
                kind = kind.type
            name = prefix + field.name
            what, allowed = _kind_of(name, kind)
            if address:
                self._addresses.add(name)
                allowed = _ADDRESS
            value = getattr(default, field.name)
            self._kinds[name] = kind
            shown = "(none)" if value == "" else as_text(value)
            made = Setting(name, what, shown, allowed, told, label, choices)
            # What the operator sets for all sites is not for their owners to read.
            self.settings[name] = replace(made, default="(set)") if made.secret and value else made

    def whole_name(self, name: str) -> str:
        """The whole name of a setting, which may be given by an old one.

        Raises:
            BadField: there is no such setting.
        """
        product, key, _ = self._shape.place(name)
        return f"{product}.{key}" if product else key

    def read(self, name: str, text: str, check_url: Callable[[str], None] | None = None) -> Any:
        """The value of setting *name* that an operator typed; *check_url* refuses (ValueError) what is never sent to.

        Raises:
            BadField: there is no such setting, or it can't have that value; the message says what it can have.
        """
        setting = self.settings[self.whole_name(name)]
        text = text.strip()
        try:
            if setting.kind == "yes or no":
                return _switch(text)
            if setting.kind == "number":
                return _number(text, self._kinds[setting.name])
            if setting.kind == "choice":
                if text not in setting.allowed.split(", "):
                    raise ValueError
                return text
            if not text.isprintable():
                raise ValueError
            return self._text(setting.name, text, check_url)
        except _Wrong as error:
            raise BadField(f"{name}: {error}", field=name) from None
        except ValueError:
            raise BadField(f"{name}: {setting.allowed}", field=name) from None

    def checked(self, name: str, value: Any, check_url: Callable[[str], None] | None = None) -> Any:
        """*value*, as it comes in JSON (None: the default again), for setting *name*.

        Raises:
            BadField: there is no such setting, or it can't have that value.
        """
        whole = self.whole_name(name)
        if value is None:
            return None
        if isinstance(value, str) and self.settings[whole].kind in ("text", "choice"):
            return self.read(whole, value, check_url)
        product, key, _ = self._shape.place(whole)
        self._shape.check(product, key, value, whole)
        return value

    def _text(self, name: str, text: str, check_url: Callable[[str], None] | None) -> str:
        if text and name in ("channel_secret", "channel_old_secret") and len(text.encode()) < LEAST_SECRET:
            raise ValueError
        if text and name in self._addresses:
            web_address(text)
            if check_url is not None:
                try:
                    check_url(text)
                except ValueError as error:
                    raise _Wrong(str(error)) from None
        product, key, _ = self._shape.place(name)
        try:
            self._shape.check(product, key, text, name)
        except BadField:
            raise ValueError from None
        return text

    def words(self) -> dict[str, str]:
        """The panel's English words of all settings, by key: label, help, and what is chosen from."""
        found = {}
        for one in self.settings.values():
            found[f"setting.{one.name}"] = one.label
            found[f"setting.{one.name}.help"] = one.help
            found |= {f"setting.{one.name}.is.{value}": word for value, word in one.choices.items()}
        return dict(sorted(found.items()))

    def markdown(self) -> str:
        """The table of the documentation."""
        lines = ["| setting | values | default | what |", "|---|---|---|---|"]
        lines += [f"| `{one.name}` | {one.allowed} | {one.default} | {one.help} |" for one in self.settings.values()]
        return "\n".join(lines)


def _kind_of(name: str, kind: Any) -> tuple[str, str]:
    """What a setting takes, in a word, and in a sentence."""
    if isinstance(kind, inspect.BoolType):
        return "yes or no", "yes or no"
    if isinstance(kind, inspect.IntType):
        low, high = _bounds(kind)
        return "number", f"a number from {low} to {high}"
    if isinstance(kind, inspect.LiteralType):
        return "choice", ", ".join(str(one) for one in kind.values)
    return "text", _ALLOWED.get(name, "printable text")


class _Wrong(ValueError):
    """The message says what is wrong."""


def _switch(text: str) -> bool:
    lower = text.lower()
    if lower in _YES:
        return True
    if lower in _NO:
        return False
    raise ValueError


def _number(text: str, kind: Any) -> int:
    low, high = _bounds(kind)
    # Not more digits than the largest has: a number of millions of them takes long to read.
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(high)):
        raise ValueError
    if not low <= int(text) <= high:
        raise ValueError
    return int(text)


def web_address(url: str) -> None:
    """See that *url* is an address that requests can be sent to.

    Raises:
        ValueError: it is none; the message says why.
    """
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
        raise _Wrong("no user and password in the address; a secret signs what is sent")
    if parts.fragment:
        raise _Wrong("what follows a # is never sent; leave it out")
    try:
        ip_address(host)
    except ValueError:
        if any(not label or len(label) > 63 for label in host.rstrip(".").split(".")):
            raise _Wrong(f"{host[:100]!r} is no host name") from None


def _bounds(kind: Any) -> tuple[int, int]:
    return (0 if kind.ge is None else kind.ge), (2**31 - 1 if kind.le is None else kind.le)
