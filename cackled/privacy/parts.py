"""What gives data out and forgets it, with what all features declare."""

from __future__ import annotations

from collections.abc import Sequence

from cackled.api.context import ApiContext
from cackled.domain.erasure import Erasures
from cackled.domain.personal_data import Held
from cackled.domain.site import Site
from cackled.privacy.pages import LETTERS, PrivacyPages, data_of, erase, file_of
from cackled.privacy.store import PrivacyLinks
from cackled.products.product import SharedParts
from cackled.transport.response import Response


class PrivacyParts:
    """Once in a process. *held* is what features declare that they have of visitors."""

    def __init__(self, parts: SharedParts, held: Sequence[Held]) -> None:
        self.database = parts.database
        self.held = tuple(held)
        self._random = parts.random
        self._mails = parts.send is not None
        self._base = parts.config.own_url.rstrip("/")
        self._letters = parts.buckets("privacy.letters", *LETTERS)

    def pages(self, context: ApiContext, links: PrivacyLinks, erasures: Erasures) -> PrivacyPages:
        """The pages."""
        return PrivacyPages(
            context, self.database, links, erasures, self.held, self._mails, self._letters, self._random
        )

    async def file(self, site: int, visitor: int) -> Response:
        """Everything of a visitor, as a file."""
        return file_of(await data_of(self.database, site, [visitor], self.held, self._base), site)

    async def erase(self, erasures: Erasures, site: Site, visitor: int, mode: str) -> None:
        """Forget a visitor."""
        await erase(erasures, site, visitor, mode, self._random)
