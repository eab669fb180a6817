"""All that there is: the products, and the features beside them, by name and not by discovery."""

from __future__ import annotations

from functools import cache

from cackled import accounts, identity, products
from cackled.accounts.api.mail_templates import MailTemplateRoutes
from cackled.media import feature as media_feature
from cackled.moderation import queue_feature
from cackled.moderation.feature import make_feature as make_moderation
from cackled.privacy import make_feature as make_privacy
from cackled.products.product import Feature
from cackled.products.registry import Registry
from cackled.sharing import make_feature as make_sharing
from cackled.transfers import make_feature as make_transfers

# What is no product: one is added here.
_OTHERS: tuple[Feature, ...] = (
    Feature(
        name="mail-templates",
        routes=MailTemplateRoutes(
            [kind for one in (*products.PRODUCTS, identity.FEATURE) for kind in one.letters]
        ).routes(),
    ),
    accounts.FEATURE,
    identity.FEATURE,
    media_feature.FEATURE,
    queue_feature.FEATURE,
    make_transfers(products.PRODUCTS),
    make_sharing([one.shareable for one in products.PRODUCTS if one.shareable is not None]),
    make_moderation([one.judged for one in products.PRODUCTS if one.judged is not None]),
)
# Declares what all the others hold of visitors.
FEATURES: tuple[Feature, ...] = (
    *_OTHERS,
    make_privacy([held for one in (*products.PRODUCTS, *_OTHERS) for held in one.held]),
)


@cache
def registry() -> Registry:
    """What products and features declare."""
    return Registry((*products.PRODUCTS, *FEATURES))
