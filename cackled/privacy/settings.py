"""What a site's owner may choose about what is stored of visitors, and for how long."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cackled.domain.settings import ProductSettings


class PrivacySettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of what is stored."""

    truncated: Annotated[
        bool,
        Meta(
            title="Shortened addresses",
            description=(
                "Store network addresses of visitors without their last part (IPv4 /24, IPv6 /48). Bans and limits "
                "still use the whole address; the queue shows the shortened one, so a ban taken from there has to name "
                "the network."
            ),
        ),
    ] = False
    address_months: Annotated[
        int,
        Meta(
            title="Addresses are kept", ge=0, le=120,
            description="Months after which network addresses of visitors are removed. 0: they are kept.",
        ),
    ] = 0
    deleted_months: Annotated[
        int,
        Meta(
            title="Deleted texts are kept", ge=0, le=120,
            description="Months after which the texts of deleted comments are removed for good. 0: they are kept.",
        ),
    ] = 0
    audit_months: Annotated[
        int,
        Meta(
            title="Log of staff is kept", ge=0, le=120,
            description="Months after which lines of the log of what staff did are removed. 0: they are kept.",
        ),
    ] = 0
    contact: Annotated[
        str,
        Meta(
            title="Contact for privacy", max_length=200,
            description="Whom visitors can ask about their data; shown on the page of what is stored.",
        ),
    ] = ""
