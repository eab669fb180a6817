"""The settings of a site: the core's, and of each product its own, as they stand in the catalog.

In the catalog a product's are under ``products.NAME``. Before products had their own, they stood beside the core's.
There they are still read, and still written for servers of an older release that run beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cackled.domain.errors import BadField
from cackled.domain.logo import PATTERN as LOGO_PATTERN
from cackled.languages import Language

# See `cackled.domain.locks`.
LOCKS = r"^( *[^\s;]+ +(read|write) +(everyone|signed-in|sso|group:[^\s;,]+(,group:[^\s;,]+)*) *(;|$) *)*$"


class SiteSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a site's owner may choose for all products; the descriptions are what operators and documentation show."""

    typing: Annotated[
        bool,
        Meta(
            title="Show who is typing",
            description="Show when somebody is typing.",
        ),
    ] = True
    presence: Annotated[
        bool,
        Meta(
            title="Show how many are reading",
            description="Show how many people are reading.",
        ),
    ] = True
    channel_rule: Annotated[
        Literal["path", "host", "address"],
        Meta(
            title="Channel of a page",
            description=(
            "How the channel of a page without one of its own is derived. path: path and query; host: the host "
            "as well; address: the whole address, as in old releases. `normalise SITE` moves existing "
            "conversations."
            ),
            extra={"choices": {
                "path": "path and query",
                "host": "host, path and query",
                "address": "the whole address",
            }},
        ),
    ] = "path"
    channel_ignore: Annotated[
        str,
        Meta(
            title="Ignored parameters",
            max_length=500, pattern=r"^([A-Za-z0-9_.~-]+\*?([ ,]+|$))*$",
            description="Additional query parameters to leave out of derived channels.",
        ),
    ] = ""
    # Uploaded, not typed (see `cackled.domain.logo`).
    logo: Annotated[
        str,
        Meta(
            title="Logo",
            max_length=100, pattern=LOGO_PATTERN,
            description=(
            "Shown on pages of conversations, in mail and in the panel. Upload it in the panel's settings."
            ),
        ),
    ] = ""
    # Who has no grant signed with the secret sees nothing of the site (see `cackled.domain.grants`).
    private: Annotated[
        bool,
        Meta(
            title="Private site",
            description="Only visitors with a grant signed with channel_secret can read or write.",
        ),
    ] = False
    channel_secret: Annotated[
        str,
        Meta(
            title="Secret for grants and single sign-on",
            max_length=512, description="Secret that signs grants and single sign-on tokens (HS256).",
        ),
    ] = ""
    channel_old_secret: Annotated[
        str,
        Meta(
            title="Previous secret",
            max_length=512, description="The previous secret. It stays valid while pages change over.",
        ),
    ] = ""
    channel_public_key: Annotated[
        str,
        Meta(
            title="Public key for single sign-on",
            max_length=64, pattern="^([0-9a-fA-F]{64})?$",
            description="Ed25519 public key in hex that verifies single sign-on tokens signed with EdDSA.",
        ),
    ] = ""
    readers: Annotated[
        Literal["everyone", "signed-in", "sso"],
        Meta(
            title="Who reads",
            description=(
            "Who can read. everyone; signed-in: visitors who signed in, by any provider; sso: only visitors from "
            "the site's single sign-on."
            ),
            extra={"choices": {
                "everyone": "everyone",
                "signed-in": "visitors who signed in",
                "sso": "visitors signed in by your site",
            }},
        ),
    ] = "everyone"
    writers: Annotated[
        Literal["everyone", "signed-in", "sso"],
        Meta(
            title="Who writes",
            description=(
            "Who can write, vote and report. The values are those of readers."
            ),
            extra={"choices": {
                "everyone": "everyone",
                "signed-in": "visitors who signed in",
                "sso": "visitors signed in by your site",
            }},
        ),
    ] = "everyone"
    locks: Annotated[
        str,
        Meta(
            title="Access rules for sections",
            max_length=4_000, pattern=LOCKS,
            description=(
            "Who can read or write in single channels or sections. Rules are separated by semicolons, and the "
            "first match counts: /members/* read sso; /vip/* read group:gold,group:silver; /news/* write "
            "signed-in"
            ),
        ),
    ] = ""
    webhook_url: Annotated[
        str,
        Meta(
            title="Webhook address",
            description="Address that every change is sent to. Empty: none.",
            extra={"address": True},
        ),
    ] = ""
    webhook_secret: Annotated[
        str,
        Meta(
            title="Webhook secret",
            description="Secret that signs requests to webhook_url.",
        ),
    ] = ""
    moderator_email: Annotated[
        str,
        Meta(
            title="Moderators' mail address",
            max_length=250, pattern="^([!-~]+@[!-~]+)?$",
            description="Mail address for reports and comments. Empty: no mail.",
        ),
    ] = ""
    notify: Annotated[
        Literal["flags", "comments", "all"],
        Meta(
            title="Mail to moderators about",
            description="What mail to moderators is about.",
            extra={"choices": {
                "flags": "reports",
                "comments": "new comments",
                "all": "reports and new comments",
            }},
        ),
    ] = "flags"
    digest: Annotated[
        Literal["off", "soon", "hourly", "daily"],
        Meta(
            title="Digest of waiting items",
            description="How often moderators get mail about waiting items.",
            extra={"choices": {
                "off": "never",
                "soon": "immediately",
                "hourly": "every hour",
                "daily": "every day",
            }},
        ),
    ] = "soon"
    language: Annotated[
        Language,
        Meta(
            title="Language of moderators' mail",
            description="Language of mail to moderators.",
        ),
    ] = "en"
    mail_address: Annotated[
        bool,
        Meta(
            title="Network addresses in mail",
            description="Include the network address of comments in mail to moderators.",
        ),
    ] = False

    @property
    def mails_flags(self) -> bool:
        """Whether moderators are told of what is reported."""
        return bool(self.moderator_email) and self.notify != "comments"

    @property
    def mails_comments(self) -> bool:
        """Whether moderators are told of new comments."""
        return bool(self.moderator_email) and self.notify != "flags"

    @property
    def digest_seconds(self) -> int | None:
        """For how long what waits is gathered before moderators are told; None: they are not."""
        if not self.moderator_email or self.digest == "off":
            return None
        return {"soon": 60, "hourly": 3_600, "daily": 86_400}[self.digest]

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        told = {"typing": self.typing, "presence": self.presence, "private": self.private}
        # Where nobody has written yet, who listens has to tell the key (`cackled.domain.conversation_access`).
        return {**told, "sections": True} if self.locks else told


class ProductSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the settings of a product. Every field has a default and a description."""

    def public(self) -> dict[str, Any]:
        """What a browser may know; names are shared with the core and all products."""
        return {}

    def stored(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """What these settings say of how long something of visitors is stored.

        Words of the page that tells them (`cackled/web/privacy/locales`), each with what stands in its places.
        """
        return ()


class ProductShape(Struct, frozen=True, kw_only=True):
    """The settings of *product*: ``default`` holds for sites that chose nothing, ``old`` were the core's once."""

    product: str
    default: ProductSettings
    old: tuple[str, ...] = ()


class SettingsShape:
    """Which settings there are: the core's and those of *products*."""

    def __init__(self, products: Iterable[ProductShape] = ()) -> None:
        self.products = {one.product: one for one in products}

    def place(self, name: str) -> tuple[str, str, bool]:
        """Where the setting *name* (``comments.max_length``, ``typing``) is: product (``""``: the core) and name there.

        The third is True where it has an old name, which is taken as well.

        Raises:
            BadField: there is no such setting.
        """
        product, point, key = name.rpartition(".")
        if not point and key in SiteSettings.__struct_fields__:
            return "", key, False
        for one in self.products.values():
            if key in one.default.__struct_fields__ and (product == one.product or (not point and key in one.old)):
                return one.product, key, key in one.old
        raise BadField(f"there is no setting {name[:60]}; there are {', '.join(self.names())}", field=name)

    def names(self) -> list[str]:
        """All of them, by whole name."""
        found = list(SiteSettings.__struct_fields__)
        for one in self.products.values():
            found += [f"{one.product}.{key}" for key in one.default.__struct_fields__]
        return found

    def values(self, settings: SiteSettings, products: Iterable[ProductSettings]) -> dict[str, Any]:
        """The values of a site, by whole name."""
        found: dict[str, Any] = msgspec.to_builtins(settings)
        given = {type(one): one for one in products}
        for shape in self.products.values():
            chosen = given.get(type(shape.default), shape.default)
            found |= {f"{shape.product}.{key}": value for key, value in msgspec.to_builtins(chosen).items()}
        return found

    def check(self, product: str, key: str, value: Any, name: str) -> None:
        """See that a setting may have *value*; *name* is told where it may not.

        Raises:
            BadField: it may not.
        """
        kind: type[Struct] = type(self.products[product].default) if product else SiteSettings
        try:
            msgspec.convert({key: value}, kind)
        except msgspec.ValidationError as error:
            raise BadField(str(error), field=name) from None

    def checked(self, settings: str) -> str:
        """The JSON of a new site's settings as it is stored: those of products under both names.

        Raises:
            BadField: it can't be used.
        """
        try:
            raw = msgspec.json.decode(settings, type=dict[str, Any])
            products = msgspec.convert(raw.pop("products", {}), dict[str, dict[str, Any]])
        except msgspec.MsgspecError as error:
            raise BadField(str(error), field="settings") from None
        given = [(name, value) for name, value in raw.items()]
        given += [(f"{product}.{key}", value) for product, some in products.items() for key, value in some.items()]
        stored: dict[str, Any] = {}
        chosen: dict[str, dict[str, Any]] = {}
        for name, value in given:
            product, key, old = self.place(name)
            self.check(product, key, value, name)
            if product:
                chosen.setdefault(product, {})[key] = value
            if old or not product:
                stored[key] = value
        if chosen:
            stored["products"] = chosen
        return msgspec.json.encode(stored).decode()

    def read(
        self, raw: Mapping[str, Any], wrong: Callable[[str], None]
    ) -> tuple[SiteSettings, tuple[ProductSettings, ...]]:
        """The settings of a site from the catalog's JSON; *wrong* is told of what can't be used."""
        core = {key: value for key, value in raw.items() if key in SiteSettings.__struct_fields__}
        try:
            chosen = msgspec.convert(core, SiteSettings)
        except msgspec.ValidationError as error:
            wrong(str(error))
            chosen = SiteSettings()
        return chosen, tuple(_read_product(shape, raw, wrong) for shape in self.products.values())


def _read_product(shape: ProductShape, raw: Mapping[str, Any], wrong: Callable[[str], None]) -> ProductSettings:
    products = raw.get("products")
    given = products.get(shape.product) if isinstance(products, dict) else None
    tree = msgspec.to_builtins(shape.default)
    known = dict(given) if isinstance(given, dict) else {}
    # Where the two differ, a server of an older release wrote last: this one writes both.
    known |= {key: raw[key] for key in shape.old if key in raw}
    tree |= {key: value for key, value in known.items() if key in tree}
    try:
        return msgspec.convert(tree, type(shape.default))
    except msgspec.ValidationError as error:
        wrong(f"{shape.product}: {error}")
        return shape.default
