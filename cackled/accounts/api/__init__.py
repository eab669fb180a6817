"""The routes of accounts."""

from __future__ import annotations

from cackled.accounts.api import keys, members, settings, signin

ROUTES = (*signin.ROUTES, *members.ROUTES, *keys.ROUTES, *settings.ROUTES)
