"""Messages in the reader's language: the site's own translator is asked once, and the answer kept with the message."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.errors import Conflict, Unprocessable
from cackled.domain.parts import ServiceParts
from cackled.domain.personal_data import Held
from cackled.domain.site import Site
from cackled.products.chat.service import no_chat
from cackled.products.chat.settings import ChatSettings
from cackled.products.chat.translator import MOST_TEXT, Translator, TranslatorFailed, Wanted

# Messages of one call.
MOST_MESSAGES = 20

# Texts of a conversation, each with its translation where there is one. A row without a message: there is only that.
SELECT_TEXTS = Query(
    "select_chat_texts",
    """
    select m.id, m.text, x.text, x.source, coalesce(x.written, false), c.language
    from chat c
    left join chat_message m on m.site_id = c.site_id and m.chat_id = c.id and m.id = any($3)
      and m.kind = 'text' and not m.deleted and m.text <> ''
    left join chat_translation x on x.site_id = m.site_id and x.message_id = m.id and x.language = $4
    where c.site_id = $1 and c.id = $2
    """,
    ("int", "bigint", "bigint[]", "text"),
)
# Not where the message says something else by now.
KEEP_TRANSLATION = Query(
    "keep_chat_translation",
    """
    with m as materialized (
      select m.id from chat_message m where m.site_id = $1 and m.id = $2 and m.text = $3 for share
    )
    insert into chat_translation (site_id, message_id, language, source, text)
    select $1, m.id, $4, $5, $6 from m on conflict do nothing
    """,
    ("int", "bigint", "text", "text", "text", "text"),
)
_TRANSLATED = """
  select m.site_id, m.visitor_id, m.chat_id, x.message_id, x.language, x.text, x.created_at
  from chat_message m join chat_translation x on x.site_id = m.site_id and x.message_id = m.id
"""
HELD = Held(
    table="chat_translated", what="what they wrote there, translated for operators",
    until="until the message is gone", source=_TRANSLATED,
)  # fmt: skip


class Translation(Struct, frozen=True, rename={"source": "from"}):
    """A message in another language. ``from``: the language it was in, ``""`` where nobody said.

    ``written``: it is what its operator wrote, and the message was translated from it.
    """

    message: str
    text: str
    source: str
    written: bool


class Translations:
    """The translations of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._settings = site.product(ChatSettings)
        self._database = parts.database.site(site.id)

    @property
    def on(self) -> bool:
        """Whether the site has a translator."""
        return bool(self._settings.translate_url)

    async def of(
        self, translator: Translator, chat: int, messages: list[int], language: str, *, ask: bool
    ) -> tuple[list[Translation], list[int]]:
        """Messages in *language*, and those that wait for another call; without *ask* what is kept alone.

        Raises:
            NotFound: there is no such conversation.
            Conflict: the site has no translator.
            TranslatorBusy, TranslatorFailed
        """
        self._check()
        language = language.lower()
        rows = await self._texts(chat, messages, language)
        kept = {row[0]: Translation(str(row[0]), row[2], row[3], row[4]) for row in rows if row[2] is not None}
        missing = {row[0]: row[1] for row in rows if row[0] is not None and row[2] is None} if ask else {}
        wanted: list[Wanted] = []
        room = MOST_TEXT
        for number in (one for one in messages if one in missing):
            words = missing[number]
            if wanted and len(words) > room:
                break
            room -= len(words)
            wanted.append(Wanted(str(number), words))
        if wanted:
            found = await translator.translate(self._site, chat, wanted, language)
            if not found:
                raise TranslatorFailed()
            for one in wanted:
                made = found.get(one.id)
                if made is not None:
                    kept[int(one.id)] = Translation(one.id, made.text, made.source, False)
                    await self._keep(int(one.id), one.text, language, made.source, made.text)
        asked = {int(one.id) for one in wanted}
        left = [one for one in messages if one in missing and one not in asked]
        return [kept[one] for one in messages if one in kept], left

    async def draft(
        self, translator: Translator, chat: int, words: str, language: str, source: str
    ) -> tuple[str, str]:
        """What an operator writes in *language*, or in that of the conversation's visitor where it is empty; and which
        that is.

        Raises:
            NotFound: there is no such conversation.
            Conflict: the site has no translator.
            Unprocessable: nobody knows the visitor's language.
            TranslatorBusy, TranslatorFailed
        """
        self._check()
        to = (language or (await self._texts(chat, [], ""))[0][5]).lower()
        if not to:
            raise Unprocessable("The visitor's language is not known.", slug="language")
        found = await translator.translate(self._site, chat, [Wanted("draft", words)], to, source.lower())
        if "draft" not in found:
            raise TranslatorFailed()
        return found["draft"].text, to

    def _check(self) -> None:
        if not self.on:
            raise Conflict("This site has no translator.", slug="translate-off")

    async def _texts(self, chat: int, messages: list[int], language: str) -> list[tuple[Any, ...]]:
        found = await self._database.read(
            SELECT_TEXTS, self._site.id, chat, messages, language, preference=ReadPreference.PRIMARY_PREFERRED
        )
        if not found.rows:
            raise no_chat()
        return list(found.rows)

    async def _keep(self, message: int, said: str, language: str, source: str, words: str) -> None:
        await self._database.write(
            KEEP_TRANSLATION, self._site.id, message, said, language, source, words
        )
