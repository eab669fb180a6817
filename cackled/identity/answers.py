"""What the routes of visitors' identity take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.api.answers import Id, Time
from cackled.domain.sessions import BY_SITE, SIGNED_IN
from cackled.identity.providers import Kind

Level = Literal["signed-in", "site"]
LEVELS: dict[int, Level] = {SIGNED_IN: "signed-in", BY_SITE: "site"}
Text = Annotated[str, Meta(max_length=16_384)]


class SessionBody(Struct, frozen=True):
    """How a visitor is identified; an empty body opens or continues a guest's session.

    ``null`` as statement says that nobody is signed in on the site.
    """

    sso: Annotated[
        Any,
        Meta(
            description="The site's statement: a JWT, or FastComments' object with userDataJSONBase64, "
            "verificationHash and timestamp.",
            extra_json_schema={"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]},
        ),
    ] = UNSET
    ssoAuth: Annotated[Text | UnsetType | None, Meta(description="Cackle's statement.")] = UNSET
    remote_auth_s3: Annotated[Text | UnsetType | None, Meta(description="Disqus' statement.")] = UNSET
    code: Annotated[str, Meta(max_length=200, description="From signing in, with the verifier.")] = ""
    verifier: Annotated[str, Meta(max_length=200)] = ""


class PersonAnswer(Struct, frozen=True):
    """The signed-in visitor; ``groups`` and ``staff`` come from the site."""

    id: Id
    name: str
    avatar: str | None
    badges: list[str]
    staff: Literal["", "moderator", "admin"]
    private: bool
    gravatar: bool
    email: str
    email_verified: bool
    picture: Annotated[
        bool | None, Meta(description="Whether they uploaded a picture of themselves; null: they can't here.")
    ] = None


class SessionAnswer(Struct, frozen=True):
    """A session: its token, its visitor, a ticket for first renders, and its end (seconds since 1970).

    ``level`` and ``person`` are given of visitors who are no guests.
    """

    token: str
    visitor: Id
    view: str
    expires: int
    level: Level | UnsetType = UNSET
    person: PersonAnswer | UnsetType = UNSET


class PersonBody(Struct, frozen=True):
    """What to change in one's own profile. Members that are left out stay."""

    name: Annotated[str, Meta(max_length=960)] | None = None
    private: bool | None = None
    gravatar: Annotated[bool | None, Meta(description="Whether their picture may be asked for by their mail.")] = None


class PictureFlagBody(Struct, frozen=True):
    """A report of a picture."""

    reason: Annotated[str, Meta(max_length=500)] | None = None


class Reported(Struct, frozen=True):
    """The report was noted."""


class ProfileAnswer(Struct, frozen=True):
    """The public profile of a visitor; guests have little. ``comments`` is null where they are private."""

    id: Id
    name: str
    avatar: str | None
    badges: list[str]
    url: str
    since: Time | None
    comments: int | None


class RefusalAnswer(Struct, frozen=True):
    """Refused tokens of one form and reason; ``detail`` is of the last one."""

    form: str
    reason: str
    detail: str
    count: int
    first: Time
    last: Time


class RefusalsAnswer(Struct, frozen=True):
    """Recently refused single sign-on tokens."""

    refusals: list[RefusalAnswer]


class WayAnswer(Struct, frozen=True):
    """A sign-in provider at ``/auth/{site}/{name}``. ``label`` is empty where the widget has a word for its kind."""

    name: str
    kind: str
    label: str


class WaysAnswer(Struct, frozen=True):
    """The sign-in providers for visitors, in the owner's order."""

    ways: list[WayAnswer]


class ProviderBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of a sign-in provider. Without ``secret`` the present one stays."""

    kind: Kind
    label: Annotated[str, Meta(max_length=40)] = ""
    issuer: Annotated[
        str,
        Meta(
            max_length=500, pattern="^(https?://[!-~]+)?$",
            description="Of OpenID Connect: where it is discovered. Else a server of one's own.",
        ),
    ] = ""
    clientId: Annotated[str, Meta(max_length=500)] = ""
    secret: Annotated[str, Meta(max_length=4_000)] | None = None
    enabled: bool = True
    position: Annotated[int, Meta(ge=0, le=1_000)] = 0


class ProviderAnswer(Struct, frozen=True):
    """A sign-in provider, as the site's owner sees it.

    The secret is never shown, only whether there is one. ``redirect`` is the address to register with the provider,
    ``version`` its ETag.
    """

    name: str
    kind: Kind
    label: str
    issuer: str
    clientId: str
    hasSecret: bool
    enabled: bool
    position: int
    redirect: str
    version: int


class ProvidersAnswer(Struct, frozen=True):
    """All sign-in providers of the site."""

    providers: list[ProviderAnswer]
