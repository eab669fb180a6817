"""Providers that speak OAuth 2.0 (RFC 6749) with a profile of their own instead of OpenID Connect.

Each says where it authorises and gives tokens, and how its profile is read. An address of mail counts as the person's
only where the provider says that it was verified.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from cackled.identity.provider_http import Asking, SignInFailed, text

Profile = Callable[[Asking, "Preset", dict[str, Any], str], Awaitable["Somebody"]]


class Somebody(Struct, frozen=True):
    """Who came, as a provider says."""

    subject: str
    name: str
    email: str = ""
    verified: bool = False
    avatar: str = ""
    url: str = ""


class Preset(Struct, frozen=True, kw_only=True):
    """One kind of provider. ``base`` is what its own addresses begin with; ``api`` those of its profile."""

    base: str
    api: str
    authorize: str
    token: str
    scope: str
    profile: Profile

    def at(self, base: str) -> Preset:
        """The same on a server of one's own, where *base* says so."""
        if not base:
            return self
        return Preset(
            base=base, api=f"{base}/api/v3" if self is PRESETS["github"] else base, authorize=self.authorize,
            token=self.token, scope=self.scope, profile=self.profile,
        )  # fmt: skip


async def github(asking: Asking, preset: Preset, token: dict[str, Any], client: str) -> Somebody:
    """GitHub: the primary verified address is asked for by itself."""
    bearer = text(token, "access_token")
    who = await asking.get(f"{preset.api}/user", bearer=bearer)
    try:
        found = await asking.get_any(f"{preset.api}/user/emails", bearer=bearer)
    except SignInFailed:
        found = []  # that permission was not given
    mails = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    primary = next((one for one in mails if one.get("primary") is True and one.get("verified") is True), {})
    return Somebody(
        text(who, "id"), text(who, "name", "login"), text(primary, "email"), bool(primary), text(who, "avatar_url"),
        text(who, "html_url"),
    )  # fmt: skip


async def facebook(asking: Asking, preset: Preset, token: dict[str, Any], client: str) -> Somebody:
    """Facebook; it does not say whether the address was verified."""
    who = await asking.get(f"{preset.api}/me", bearer=text(token, "access_token"), fields="id,name,email,picture")
    picture = who.get("picture")
    data = picture.get("data") if isinstance(picture, dict) else None
    avatar = text(data, "url") if isinstance(data, dict) and data.get("is_silhouette") is not True else ""
    return Somebody(text(who, "id"), text(who, "name"), text(who, "email"), False, avatar)


async def yandex(asking: Asking, preset: Preset, token: dict[str, Any], client: str) -> Somebody:
    """Yandex; its addresses are its own, or were verified by it."""
    who = await asking.get(
        f"{preset.api}/info", bearer=text(token, "access_token"), scheme="OAuth", format="json"
    )
    mail, picture = text(who, "default_email"), text(who, "default_avatar_id")
    shown = picture and who.get("is_avatar_empty") is not True
    avatar = f"https://avatars.yandex.net/get-yapic/{picture}/islands-200" if shown else ""
    return Somebody(text(who, "id"), text(who, "display_name", "real_name", "login"), mail, bool(mail), avatar)


async def vk(asking: Asking, preset: Preset, token: dict[str, Any], client: str) -> Somebody:
    """VK ID; it does not say whether the address was verified."""
    said = await asking.post(
        f"{preset.api}/oauth2/user_info", {"client_id": client, "access_token": text(token, "access_token")}
    )
    who = said.get("user")
    if not isinstance(who, dict):
        raise SignInFailed("broken", "VK: no user")
    name = " ".join(filter(None, (text(who, "first_name"), text(who, "last_name"))))
    return Somebody(text(who, "user_id"), name, text(who, "email"), False, text(who, "avatar"))


async def mastodon(asking: Asking, preset: Preset, token: dict[str, Any], client: str) -> Somebody:
    """An account of a Mastodon instance; no address is told."""
    who = await asking.get(f"{preset.api}/api/v1/accounts/verify_credentials", bearer=text(token, "access_token"))
    host = preset.base.partition("://")[2]
    number = text(who, "id")
    return Somebody(
        f"{number}@{host}" if number else "", text(who, "display_name", "username"), "", False,
        text(who, "avatar_static", "avatar"), text(who, "url"),
    )  # fmt: skip


PRESETS: dict[str, Preset] = {
    "github": Preset(
        base="https://github.com", api="https://api.github.com", authorize="/login/oauth/authorize",
        token="/login/oauth/access_token", scope="read:user user:email", profile=github,
    ),
    "facebook": Preset(
        base="https://www.facebook.com", api="https://graph.facebook.com/v19.0", authorize="/v19.0/dialog/oauth",
        token="https://graph.facebook.com/v19.0/oauth/access_token", scope="public_profile email", profile=facebook,
    ),
    "yandex": Preset(
        base="https://oauth.yandex.ru", api="https://login.yandex.ru", authorize="/authorize", token="/token",
        scope="login:info login:email login:avatar", profile=yandex,
    ),
    "vk": Preset(
        base="https://id.vk.com", api="https://id.vk.com", authorize="/authorize", token="/oauth2/auth",
        scope="vkid.personal_info email", profile=vk,
    ),
    "mastodon": Preset(
        base="", api="", authorize="/oauth/authorize", token="/oauth/token", scope="read:accounts", profile=mastodon,
    ),
}  # fmt: skip
GOOGLE = "https://accounts.google.com"
