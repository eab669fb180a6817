"""The routes of accounts."""

from __future__ import annotations

from cackled.accounts.api import joining, keys, members, own, settings, signin, sites, webhooks

ROUTES = (
    *signin.ROUTES, *joining.ROUTES, *own.ROUTES, *members.ROUTES, *keys.ROUTES, *settings.ROUTES,
    *sites.ROUTES, *webhooks.ROUTES,
)  # fmt: skip
