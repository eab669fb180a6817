"""The routes of accounts."""

from __future__ import annotations

from cackled.accounts.api import keys, members, own_account, pictures, settings, signin, signup, sites, webhooks

ROUTES = (
    *signin.ROUTES, *signup.ROUTES, *own_account.ROUTES, *pictures.ROUTES, *members.ROUTES, *keys.ROUTES,
    *settings.ROUTES, *sites.ROUTES, *webhooks.ROUTES,
)  # fmt: skip
