"""What a site's owner may choose of how visitors show who they are."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cackled.domain.settings import ProductSettings


class IdentitySettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Signing in. The site's own JWT is signed with ``channel_secret``, as its grants are."""

    sign_in: Annotated[
        bool,
        Meta(
            title="Offer to sign in",
            description="Offer sign-in with the site's providers.",
        ),
    ] = False
    own_pictures: Annotated[
        bool,
        Meta(
            title="Pictures of their own",
            description="Let visitors who signed in upload a picture of themselves.",
        ),
    ] = False
    sso_secret: Annotated[
        str,
        Meta(
            title="Secret of FastComments and Disqus sign-on",
            max_length=512, description="Secret that verifies FastComments secure SSO and Disqus remote_auth_s3.",
        ),
    ] = ""
    gravatar_url: Annotated[
        str,
        Meta(
            title="Avatar service",
            max_length=200, pattern="^(https://[!-~]+/)?$",
            description=(
            "Service that is asked for the avatars of visitors who agree, by a hash of their mail address. "
            "Empty: none."
            ),
        ),
    ] = "https://gravatar.com/avatar/"
    cackle_sso: Annotated[
        bool,
        Meta(
            title="Accept Cackle's sign-on",
            description=(
            "Accept Cackle's ssoAuth. Its signature (MD5) is weak: turn it on only where it is needed."
            ),
        ),
    ] = False
    cackle_secret: Annotated[
        str,
        Meta(
            title="Cackle's key",
            max_length=512, description="Cackle's siteApiKey, which verifies ssoAuth.",
        ),
    ] = ""
    cackle_window: Annotated[
        int,
        Meta(
            title="Lifetime of Cackle's sign-on",
            ge=60, le=86_400, description="Seconds that an ssoAuth token stays valid.",
        ),
    ] = 3_600
    commento_url: Annotated[
        str,
        Meta(
            title="Commento's address",
            max_length=500, pattern="^(https?://[!-~]+)?$", description=(
            "Address of the site's Commento-compatible single sign-on."
            ),
        ),
    ] = ""
    commento_secret: Annotated[
        str,
        Meta(
            title="Commento's key",
            max_length=512, pattern="^[0-9a-fA-F]*$", description=(
            "Commento's secret key in hex, which verifies its answers."
            ),
        ),
    ] = ""

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {"signIn": self.sign_in}
