"""The server of a site that translates: asked for texts of conversations, signed, within a deadline.

It gets a POST, signed as webhooks are (Standard Webhooks, see `cackled.domain.webhooks`):

    {"type": "chat.translate", "site": "1", "chat": "123", "to": "de", "from": "fr",
     "texts": [{"id": "17", "text": "Bonjour"}]}

and answers with 200 and

    {"texts": [{"id": "17", "text": "Guten Tag", "from": "fr"}]}

``from`` is empty where the language is not known; in the answer it may be left out. Texts that the answer leaves out
are not translated. Any other answer counts as none. Redirects are not followed; an address that is not public is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from twisted.logger import Logger

from cackled.domain import text
from cackled.domain.errors import Refused
from cackled.domain.site import Site
from cackled.domain.webhooks import standard_signature
from cackled.metrics import Metrics
from cackled.products.chat.settings import ChatSettings

log = Logger()

# Characters of all texts of one request; at least one text is sent, whose length the site bounds.
MOST_TEXT = 20_000
# Characters of a translation, for each of the text and besides.
LONGER, MORE = 4, 500
# Bytes of an answer that are read.
MOST_ANSWER = 600_000
# Seconds until there is an answer.
DEADLINE = 5.0
# Sites that are asked at once, in all and for each: a slow server must not use up what the others need.
MOST_ASKED, MOST_ASKED_SITE = 100, 10

_LANGUAGE = re.compile("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class TranslatorFailed(Refused):
    """The site's server gave no answer that can be used."""

    status = 502
    slug = "translate-failed"
    title = "The site's translator gave no answer"


class TranslatorBusy(Refused):
    """The site's server is being asked too much already."""

    status = 503
    slug = "translate-busy"
    title = "The site's translator is busy"


class Wanted(Struct, frozen=True):
    """A text to translate; ``id`` names it in the answer."""

    id: str
    text: str


class Translated(Struct, frozen=True):
    """A text in another language; ``source``: the language it was in, ``""`` where nobody said."""

    text: str
    source: str


class _Text(Struct):
    id: str
    text: str
    from_: str = msgspec.field(name="from", default="")


class _Answer(Struct):
    texts: Annotated[list[_Text], Meta(max_length=1_000)]


class Translator:
    """Asks the servers of sites. *ask* is `cackled.outbound.post.GuardedHttp.ask`."""

    def __init__(self, ask: Any, wall_time: Callable[[], float], random: Any, metrics: Metrics) -> None:
        self._ask = ask
        self._wall_time = wall_time
        self._random = random
        self._busy: dict[int, int] = {}
        self._outcomes = metrics.counter("chat_translator_asked", "Translators of sites that were asked.", ["outcome"])

    async def translate(
        self, site: Site, chat: int, wanted: list[Wanted], to: str, source: str = ""
    ) -> dict[str, Translated]:
        """*wanted* in language *to*, by id; as many as the server gave.

        Raises:
            TranslatorBusy, TranslatorFailed
        """
        under_way = self._busy.get(site.id, 0)
        if under_way >= MOST_ASKED_SITE or sum(self._busy.values()) >= MOST_ASKED:
            self._outcomes.labels("busy").inc()
            error = TranslatorBusy()
            error.retry_after = 2.0
            raise error
        self._busy[site.id] = under_way + 1
        try:
            found = await self._one(site, chat, wanted, to, source)
        except (ValueError, OSError) as problem:
            self._outcomes.labels("failed").inc()
            reason = str(problem)[:200]
            log.info("the translator of site {site} gave no answer: {reason}", site=site.id, reason=reason)
            raise TranslatorFailed() from None
        finally:
            self._busy[site.id] -= 1
            if not self._busy[site.id]:
                del self._busy[site.id]
        self._outcomes.labels("answered").inc()
        return found

    async def _one(self, site: Site, chat: int, wanted: list[Wanted], to: str, source: str) -> dict[str, Translated]:
        settings = site.product(ChatSettings)
        body = msgspec.json.encode({
            "type": "chat.translate", "site": str(site.id), "chat": str(chat), "to": to, "from": source,
            "texts": wanted,
        })  # fmt: skip
        now, message = int(self._wall_time()), f"msg_{site.id}_t{self._random.getrandbits(62)}"
        headers = [
            (b"Content-Type", b"application/json"),
            (b"Accept", b"application/json"),
            (b"webhook-id", message.encode("ascii")),
            (b"webhook-timestamp", b"%d" % now),
        ]
        if settings.translate_secret:
            signed = standard_signature([settings.translate_secret], message, now, body)
            headers.append((b"webhook-signature", signed.encode("ascii")))
        found = await self._ask(
            b"POST", settings.translate_url, headers, body, most=MOST_ANSWER, seconds=DEADLINE
        )
        if found.status != 200:
            raise OSError(f"the server answered {found.status}")
        try:
            answer = msgspec.json.decode(found.body, type=_Answer)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise OSError(f"the answer can't be read: {str(error)[:100]}") from None
        asked = {one.id: len(one.text) for one in wanted}
        made = {}
        for one in answer.texts:
            if one.id not in asked or one.id in made:
                continue
            try:
                words = text.clean_text(one.text, asked[one.id] * LONGER + MORE)
            except Refused as error:
                raise OSError(f"a translation can't be used: {error.detail[:100]}") from None
            made[one.id] = Translated(words, language_of(one.from_))
        return made


def language_of(code: str) -> str:
    """*code* as a language in small letters; ``""`` where it is none."""
    return code.lower() if len(code) <= 20 and _LANGUAGE.fullmatch(code) else ""
