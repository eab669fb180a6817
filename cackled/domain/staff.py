"""Who works on a site: roles and what each includes, keys of a site's own servers and what they may be for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from cackled.domain.errors import Forbidden

Role = Literal["owner", "admin", "moderator", "operator", "analyst"]
# What is for everybody with a role on the site.
ANY = "any"
Scope = Literal["read", "sync", "moderate", "sso", "chat"]
# What a site's key begins with: whoever finds one somewhere knows what it is.
KEY_PREFIX = "cackled_"
ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)

# What somebody of a role may do beside what is their own: everything that is for one of these roles. An operator (of
# chats) does not moderate, and a moderator does not answer chats; an analyst reads.
INCLUDES: dict[str, frozenset[str]] = {
    "owner": frozenset(ROLES),
    "admin": frozenset(("admin", "moderator", "operator", "analyst")),
    "moderator": frozenset(("moderator", "analyst")),
    "operator": frozenset(("operator",)),
    "analyst": frozenset(("analyst",)),
}


def includes(role: str, needed: str) -> bool:
    """Whether somebody of *role* (``""``: no role at all) may do what is for *needed*.

    ``""`` is for any account, `ANY` for everybody with a role.
    """
    return not needed or (needed == ANY and role in INCLUDES) or needed in INCLUDES.get(role, ())


def picture_url(picture: str) -> str:
    """The address on this server of a picture of staff, ``""`` where they have none."""
    return f"/avatar/staff/{picture}" if picture else ""


class Staff(Struct, frozen=True, kw_only=True):
    """Who makes a call of staff: an account (``account``), or a server with a site's key (``key``).

    - ``name``: what colleagues see; ``email`` is ``""`` for a key.
    - ``picture``: what stands in the address of their picture (`picture_url`), ``""``: they have none.
    - ``role``: on the site of the call; ``""`` for a key, and where the call is about no site.
    - ``sections``: the sections of the site that a moderator is for; none: all.
    - ``scopes``: what a key is for; ``session``: which of the account's sessions it is.
    - ``fresh``: the account showed within the last minutes that it is really its owner who calls.
    """

    account: int = 0
    key: int = 0
    name: str
    email: str = ""
    picture: str = ""
    role: str = ""
    sections: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    session: int = 0
    fresh: bool = False

    @property
    def actor(self) -> str:
        """Who it is in records and events: ``account:7`` or ``key:3``."""
        return f"account:{self.account}" if self.account else f"key:{self.key}"

    def may(self, role: str, scope: str = "") -> bool:
        """Whether the caller may do what is for *role*, a key what is for *scope* (``""``: for no key)."""
        if self.key:
            return bool(scope) and scope in self.scopes
        return includes(self.role, role)


def within(staff: Staff, keys: Iterable[str]) -> None:
    """See that pages are in the sections that *staff* is for.

    Raises:
        Forbidden: one is not.
    """
    if staff.sections and not all(key.startswith(staff.sections) for key in keys):
        raise Forbidden("That is in a section of other moderators.", slug="section")


def everywhere(staff: Staff) -> None:
    """See that *staff* is for the whole site.

    Raises:
        Forbidden: they are for sections of it.
    """
    if staff.sections:
        raise Forbidden("That is for moderators of the whole site.", slug="section")
