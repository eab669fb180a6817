"""What a site's owner may choose of how visitors show who they are."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cackled.domain.settings import ProductSettings


class IdentitySettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Signing in. The site's own JWT is signed with ``channel_secret``, as its grants are."""

    sign_in: Annotated[bool, Meta(description="whether pages offer to sign in with the site's providers")] = False
    sso_secret: Annotated[
        str, Meta(max_length=512, description="verifies what FastComments' secure SSO and Disqus' remote_auth_s3 sign")
    ] = ""
    gravatar_url: Annotated[
        str,
        Meta(
            max_length=200, pattern="^(https://[!-~]+/)?$",
            description="where pictures are asked for by the hash of a mail, of people who want that; empty: nowhere",
        ),
    ] = "https://gravatar.com/avatar/"
    cackle_sso: Annotated[
        bool, Meta(description="whether Cackle's ssoAuth is taken; its signature (MD5) is weak, so only where needed")
    ] = False
    cackle_secret: Annotated[str, Meta(max_length=512, description="verifies Cackle's ssoAuth: the siteApiKey")] = ""
    cackle_window: Annotated[
        int, Meta(ge=60, le=86_400, description="seconds for which an ssoAuth holds after it was made")
    ] = 3_600
    commento_url: Annotated[
        str, Meta(max_length=500, pattern="^(https?://[!-~]+)?$", description="where Commento's way asks who it is")
    ] = ""
    commento_secret: Annotated[
        str, Meta(max_length=512, pattern="^[0-9a-fA-F]*$", description="verifies the answer: Commento's key, in hex")
    ] = ""

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {"signIn": self.sign_in}
