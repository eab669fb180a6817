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
    """How a visitor shows who they are; none of it: as the guest they were, or as before. ``null`` says that the site
    has nobody signed in."""

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
    """Who is signed in, as themselves; ``groups`` and ``staff`` are what the site said."""

    id: Id
    name: str
    avatar: str | None
    badges: list[str]
    staff: Literal["", "moderator", "admin"]
    private: bool
    gravatar: bool
    email: str
    email_verified: bool


class SessionAnswer(Struct, frozen=True):
    """A session: its token, whose it is, a ticket for first renders, and when it ends (seconds since 1970). ``level``
    and ``person`` are there of one who is no guest: how they are known, and who they are."""

    token: str
    visitor: Id
    view: str
    expires: int
    level: Level | UnsetType = UNSET
    person: PersonAnswer | UnsetType = UNSET


class PersonBody(Struct, frozen=True):
    """What a person changes of themselves; what is left out stays."""

    name: Annotated[str, Meta(max_length=960)] | None = None
    private: bool | None = None
    gravatar: Annotated[bool | None, Meta(description="Whether their picture may be asked for by their mail.")] = None


class ProfileAnswer(Struct, frozen=True):
    """A visitor, as others see them; of a guest there is little. ``comments`` is null where they keep it to
    themselves."""

    id: Id
    name: str
    avatar: str | None
    badges: list[str]
    url: str
    since: Time | None
    comments: int | None


class RefusalAnswer(Struct, frozen=True):
    """Statements that did not hold, of one form and for one reason; ``detail`` is the last one's."""

    form: str
    reason: str
    detail: str
    count: int
    first: Time
    last: Time


class RefusalsAnswer(Struct, frozen=True):
    """What did not hold of late."""

    refusals: list[RefusalAnswer]


class WayAnswer(Struct, frozen=True):
    """A way to sign in: at ``/auth/{site}/{name}``. ``label`` is ``""`` where the widget has a word for its kind."""

    name: str
    kind: str
    label: str


class WaysAnswer(Struct, frozen=True):
    """With whom visitors may sign in, in the owner's order."""

    ways: list[WayAnswer]


class ProviderBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How a way to sign in works. Without ``secret`` the one that there is stays."""

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
    """A way to sign in, as its owner sees it: the secret is never told, only whether there is one. ``redirect`` is what
    the provider has to be told of us."""

    name: str
    kind: Kind
    label: str
    issuer: str
    clientId: str
    hasSecret: bool
    enabled: bool
    position: int
    redirect: str


class ProvidersAnswer(Struct, frozen=True):
    """All of them."""

    providers: list[ProviderAnswer]
