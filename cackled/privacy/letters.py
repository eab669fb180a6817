"""Letters with a link to one's own data. They go through the outbox, so that one is not lost with a process."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from random import SystemRandom
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from cackled.clock import wall_time
from cackled.database.query import Query
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.languages import LANGUAGES, Catalogue
from cackled.privacy.store import LETTER, PrivacyLinks
from cackled.products.product import OutboxParts

WORDS = Catalogue(Path(__file__).parents[1] / "web" / "privacy" / "locales", "privacy")
KIND = "privacy-mail"
INSERT_LETTER = Query(
    "insert_privacy_letter", "insert into outbox (site_id, kind, body) values ($1, 'privacy-mail', $2)", ("int", "text")
)


class Letter(Struct, frozen=True):
    """What the outbox keeps of a letter. The link is made when it is sent, so that it is stored nowhere."""

    to: str
    lang: str


class PrivacyMail:
    """The outbox's handler of kind ``privacy-mail``."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts
        self._links = PrivacyLinks(parts.sites.secret, wall_time, SystemRandom())

    async def deliver(self, work: Work) -> None:
        """Send one letter.

        Raises:
            Retry, GiveUp
        """
        parts = self._parts
        site, send = parts.sites.find(work.site), parts.send
        letter = msgspec.json.decode(work.body, type=Letter)
        if site is None or send is None:
            raise GiveUp("there is no mail server, or no such site")
        if wall_time() > work.created + LETTER:
            raise GiveUp("it is too late for that letter")
        words = WORDS.words(next((one for one in LANGUAGES if one == letter.lang), "en"))
        token = await self._links.token(site.id, email=letter.to)
        message = EmailMessage()
        message["Subject"] = " ".join(words("mailSubject", site=site.name).split())
        message["From"], message["To"] = parts.sender, letter.to
        message["Date"] = formatdate(wall_time(), usegmt=True)
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = words.language
        message["Message-ID"] = f"<cackled.{work.site}.{work.id}@{parts.sender.rpartition('@')[2]}>"
        link = f"{parts.own_url}/privacy/{site.id}/mine?{urlencode({'token': token})}"
        message.set_content(f"{words('mailText', site=site.name)}\n\n{link}\n")
        try:
            await send(letter.to, message)
        except ValueError as error:
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None
