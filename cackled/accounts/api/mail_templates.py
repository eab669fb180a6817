"""Routes of what a site's owner says in letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from msgspec import Struct

from cackled.api.calls import Call, etag, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.domain.audit import Audit
from cackled.domain.errors import BadField, NotFound
from cackled.domain.mail_templates import Chosen, LetterKind, MailTemplates, Template, checked, plain_text
from cackled.languages import LANGUAGES, Language


class LetterAnswer(Struct, frozen=True):
    """A kind of mail, and the names of its placeholders."""

    name: str
    places: list[str]


class MailTemplatesAnswer(Struct, frozen=True):
    """The kinds of mail that a site sends, the languages, and the templates that were changed."""

    kinds: list[LetterAnswer]
    languages: list[str]
    language: str
    templates: list[Chosen]


class MailPreview(Struct, frozen=True):
    """Subject and plain text of a sample."""

    subject: str
    text: str


class MailTemplateRoutes:
    """The routes, for letters of *kinds*."""

    def __init__(self, kinds: Iterable[LetterKind]) -> None:
        self._kinds = {one.name: one for one in kinds}

    def _named(self, call: Call) -> tuple[LetterKind, Language]:
        kind = self._kinds.get(call.parameters["kind"])
        if kind is None:
            raise NotFound(f"There are letters of kind {', '.join(self._kinds)}.", field="kind")
        for language in LANGUAGES:
            if language == call.parameters["language"]:
                return kind, language
        raise BadField(f"There are the languages {', '.join(get_args(Language))}.", field="language")

    async def listed(self, call: Call) -> Any:
        """List the site's mail templates."""
        kinds = [LetterAnswer(one.name, list(one.places)) for one in self._kinds.values()]
        found = await call.service(MailTemplates).listed()
        shown = [one for one in found if one.kind in self._kinds]
        return MailTemplatesAnswer(kinds, list(LANGUAGES), call.site.settings.language, shown)

    async def put(self, call: Call) -> Any:
        """Change a mail template. Requires If-Match."""
        kind, language = self._named(call)
        seen = version_matched(call.request)
        kept, version = await call.service(MailTemplates).put(kind, language, call.body, seen)
        await call.service(Audit).record(
            call.colleague, "mail.changed", f"site:{call.site.id}", kind=kind.name, language=language
        )
        return json_response(kept, 200, etag(version))

    async def reset(self, call: Call) -> None:
        """Reset a mail template to the default."""
        kind, language = self._named(call)
        await call.service(MailTemplates).reset(kind, language)
        await call.service(Audit).record(
            call.colleague, "mail.reset", f"site:{call.site.id}", kind=kind.name, language=language
        )

    async def preview(self, call: Call) -> Any:
        """Preview a mail template with sample data."""
        kind, language = self._named(call)
        message = await kind.sample(call.site, language, checked(kind, call.body))
        return MailPreview(str(message["Subject"]), plain_text(message))

    def routes(self) -> tuple[Route, ...]:
        """All of them."""
        base = "/sites/{site}/mail-templates"
        one = base + "/{kind:text}/{language:text}"
        staff: dict[str, Any] = {"caller": Caller.STAFF, "role": "admin", "limit": ""}
        return (
            Route(method="GET", path=base, name="listMailTemplates", summary="List the site's mail templates.",
                  handler=self.listed, answer=MailTemplatesAnswer, scope="read", **staff),
            Route(method="PUT", path=one, name="putMailTemplate", handler=self.put, body=Template,
                  summary="Change a mail template. Requires If-Match, \"0\" where there is none.",
                  answer=Template, scope="sync", refusals=VERSIONED, **staff),
            Route(method="DELETE", path=one, name="resetMailTemplate", handler=self.reset, status=204,
                  summary="Reset a mail template to the default, whatever it is now.", scope="sync", **staff),
            Route(method="POST", path=one + "/preview", name="previewMailTemplate",
                  summary="Preview a mail template with sample data.", handler=self.preview, body=Template,
                  answer=MailPreview, scope="read", **staff),
        )  # fmt: skip
