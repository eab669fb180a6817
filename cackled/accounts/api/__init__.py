"""The routes of accounts."""

from __future__ import annotations

from cackled.accounts.api import signin

ROUTES = (*signin.ROUTES,)
