"""The routes of translations, for operators."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.api.answers import Id
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.channels import parse_id
from cackled.products.chat.answers import Language
from cackled.products.chat.refusals import TEXT
from cackled.products.chat.translations import MOST_MESSAGES, Translation, Translations
from cackled.products.chat.translator import Translator


class TranslationsBody(Struct, frozen=True):
    """Messages of the conversation, and the language to have them in. ``ask``: also those that are not kept yet."""

    language: Language
    messages: Annotated[list[Annotated[str, Meta(max_length=20)]], Meta(min_length=1, max_length=MOST_MESSAGES)]
    ask: bool = True


class TranslationsAnswer(Struct, frozen=True):
    """What there is. ``left``: messages that did not fit into one request to the site's translator; ask again."""

    translations: list[Translation]
    left: list[Id]


class DraftBody(Struct, frozen=True):
    """A text that is not sent yet. ``language``: to have it in, the visitor's where it is left out; ``source``: of the
    text, where it is known.
    """

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]
    language: Language | None = None
    source: Language | None = None


class DraftAnswer(Struct, frozen=True):
    """The text in ``language``."""

    text: str
    language: str


async def translate_messages(call: Call) -> Any:
    """Get messages of a conversation in another language."""
    body: TranslationsBody = call.body
    numbers = list(dict.fromkeys(parse_id(one, "messages") for one in body.messages))
    found, left = await call.service(Translations).of(
        call.shared(Translator), call.number("chat"), numbers, body.language, ask=body.ask
    )
    return TranslationsAnswer(found, [str(one) for one in left])


async def translate_draft(call: Call) -> Any:
    """Translate what an operator is about to send."""
    body: DraftBody = call.body
    return DraftAnswer(*await call.service(Translations).draft(
        call.shared(Translator), call.number("chat"), body.text, body.language or "", body.source or ""
    ))  # fmt: skip


_ONE = "/sites/{site}/chats/{chat}"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "operator", "limit": "chat.translate"}
_REFUSALS = ("chat", "translate-off", "translate-failed", "translate-busy")

ROUTES = (
    Route(
        method="POST", path=_ONE + "/translations", name="translateChatMessages",
        summary="Get messages of a conversation in another language.", handler=translate_messages,
        body=TranslationsBody, answer=TranslationsAnswer, refusals=_REFUSALS, **_STAFF,
    ),
    Route(
        method="POST", path=_ONE + "/translate", name="translateChatDraft",
        summary="Translate what an operator is about to send.", handler=translate_draft, body=DraftBody,
        answer=DraftAnswer, refusals=(*_REFUSALS, "language", *TEXT), **_STAFF,
    ),
)  # fmt: skip
