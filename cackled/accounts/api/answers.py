"""The shapes of what the routes of accounts take and give."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cackled.api.answers import Id

Email = Annotated[str, Meta(max_length=250)]
Password = Annotated[str, Meta(max_length=1_000)]


class LoginBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Credentials for signing in."""

    email: Email
    password: Password
    code: Annotated[str, Meta(max_length=40)] = ""


class LinkBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a one-time link, and the new password."""

    token: Annotated[str, Meta(max_length=200)]
    password: Password = ""
    code: Annotated[str, Meta(max_length=40)] = ""


class AccountAnswer(Struct, frozen=True):
    """An account, as its owner sees it. ``picture`` is the address of its picture on this server, or ``""``."""

    id: Id
    email: str
    name: str
    picture: str = ""


class SiteAnswer(Struct, frozen=True):
    """A site where the account has a role. ``sections``: those that a moderator is for; none: all.

    ``logo`` is the address of the site's logo on this server, or ``""``.
    """

    site: int
    name: str
    role: str
    sections: list[str]
    logo: str = ""


class MeAnswer(Struct, frozen=True):
    """The signed-in account and its sites."""

    account: AccountAnswer
    sites: list[SiteAnswer]
