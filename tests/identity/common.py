"""A daemon's parts where visitors of site 1 show who they are."""

from __future__ import annotations

from time import time
from typing import Any

import jwt

from tests.api.common import ORIGIN, Answer, ApiCase

SECRET = "a secret of the site that is long enough"


def statement(site: int = 1, secret: str = SECRET, **claims: Any) -> str:
    """A JWT of the site about its visitor Ann."""
    now = int(time())
    given = {"aud": f"site:{site}", "sub": "u1", "name": "Ann", "iat": now, "exp": now + 600, **claims}
    return jwt.encode({name: value for name, value in given.items() if value is not None}, secret, "HS256")


class IdentityCase(ApiCase):
    """Site 1 has a secret; *settings* of it are changed before each test."""

    settings: dict[str, Any] = {}

    async def setUp(self) -> None:
        await super().setUp()
        for name, value in {"channel_secret": SECRET, **self.settings}.items():
            await self.application.sites.change(1, name, value)

    async def enter(self, site: int = 1, old: str | None = None, **body: Any) -> Answer:
        """Open a session; *old* is the token of another."""
        return await self.ask(
            "POST", f"/api/v1/sites/{site}/sessions", body, origin=ORIGIN.replace("one", "one" if site == 1 else "two"),
            authorization=None if old is None else f"Bearer {old}",
        )

    async def signed_in(self, **claims: Any) -> dict[str, Any]:
        """The session of a visitor that the site vouches for."""
        answer = await self.enter(sso=statement(**claims))
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    async def refused(self, slug: str, status: int, answer: Answer, reason: str | None = None) -> None:
        """*answer* is this problem."""
        self.assertEqual((answer.status, answer.slug, answer.json().get("reason")), (status, slug, reason), answer)
