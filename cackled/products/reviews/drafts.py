"""What somebody wrote in the form, checked and made into what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from html import escape
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET

from cackled.domain import text
from cackled.domain.errors import BadField, Refused, Unprocessable
from cackled.domain.pictures import is_picture
from cackled.domain.site import Site
from cackled.domain.word_matching import compared, visible
from cackled.products.reviews import answers
from cackled.products.reviews.settings import Named, ReviewSettings

# What was experienced earlier is no experience of today's product.
EARLIEST = date(1990, 1, 1)


class Checker:
    """Checks what is sent to a site; *now* gives seconds since 1970."""

    def __init__(self, site: Site, settings: ReviewSettings, now: Callable[[], float]) -> None:
        self._site = site
        self._settings = settings
        self._now = now

    def review(self, sent: answers.Members, before: dict[str, Any]) -> dict[str, Any]:
        """The members that *sent* gives a review that was *before* (empty: it is new).

        Raises:
            Refused: there are no stars, or a member can't be used.
        """
        made: dict[str, Any] = {}
        if sent.star is not UNSET:
            made["star"] = sent.star
        if (made.get("star", before.get("star"))) is None and not (before and sent.star is UNSET):
            raise Unprocessable("Give one to five stars.", field="star", slug="star-missing")
        for name, most in (
            ("title", answers.LONGEST_TITLE), ("pros", answers.LONGEST_LIST), ("cons", answers.LONGEST_LIST),
            ("variant", answers.LONGEST_VARIANT),
        ):  # fmt: skip
            given = getattr(sent, name)
            if given is not UNSET and (name in self._settings.asked or not given):
                made[name] = self._words(given, most, name, lines=name in ("pros", "cons"))
        if sent.text is not UNSET:
            made |= self.words(sent.text)
        if sent.recommend is not UNSET and "recommend" in self._settings.asked:
            made["recommend"] = sent.recommend
        if sent.criteria is not UNSET:
            made["criteria"] = self._criteria(sent.criteria, before.get("criteria") or {})
        if sent.attributes is not UNSET:
            made["attributes"] = self._attributes(sent.attributes, before.get("attributes") or {})
        if sent.experienced is not UNSET and (sent.experienced is None or "experienced" in self._settings.asked):
            made["experienced"] = self._day(sent.experienced)
        if sent.media is not UNSET:
            made["media"] = self._media(sent.media, before.get("media") or [])
        return made

    def words(self, source: str, *, needed: bool = False) -> dict[str, Any]:
        """The text and its HTML; a review may do without.

        Raises:
            Unprocessable: it is too long, or nothing where something is *needed*.
        """
        try:
            clean = text.clean_text(source, self._settings.max_length)
        except Refused as error:
            if error.slug != "text-empty" or needed:
                raise
            return {"text": "", "html": ""}
        return {"text": clean, "html": text.render(clean)}

    @staticmethod
    def _words(given: str, most: int, field: str, *, lines: bool) -> str:
        if not given.strip():
            return ""
        try:
            made = text.clean_text(given, most)
        except Refused as error:
            if error.slug == "text-empty":
                return ""
            error.field = field
            raise
        return made if lines else text.clean_words(made, most)

    def _criteria(self, given: dict[str, int], before: dict[str, int]) -> dict[str, int]:
        known = {one.id for one in self._settings.rated} | set(before)
        for name in given:
            if name not in known:
                raise Unprocessable("That is not rated here.", field=f"criteria.{name[:30]}", slug="criteria")
        return given

    def _attributes(self, given: dict[str, str], before: dict[str, str]) -> dict[str, str]:
        known = {one.id: one for one in self._settings.chosen}
        for name, value in given.items():
            one: Named | None = known.get(name)
            if (one is None or value not in one.values) and before.get(name) != value:
                raise Unprocessable("There is no such choice.", field=f"attributes.{name[:30]}", slug="attribute")
        return given

    def _day(self, given: str | None) -> str | None:
        if given is None or given == "":
            return None
        try:
            day = date.fromisoformat(given) if len(given) == 10 else None
        except ValueError:
            day = None
        if day is None:
            raise BadField("A day is written as 2026-10-31.", field="experienced")
        # A day may be there already where the visitor is.
        today = datetime.fromtimestamp(self._now(), UTC).date()
        if day < EARLIEST or day.toordinal() > today.toordinal() + 1:
            raise Unprocessable("That day is not one of your experience.", field="experienced", slug="experienced")
        return day.isoformat()

    def _media(self, given: list[str], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # Where an import left some, they stay links.
        links = {one["link"]: one for one in before if one.get("link")}
        found: list[dict[str, Any]] = []
        for number, address in enumerate(given):
            if is_picture(address):
                # Looked up by the service.
                found.append({"id": address})
                continue
            if address in links:
                found.append(links[address])
                continue
            if not self.own_image(address):
                raise Unprocessable(
                    "A photo has an https address on a page of the site.", field=f"media[{number}]", slug="media"
                )
            found.append({"url": address, "alt": ""})
        return found

    def own_image(self, address: str) -> bool:
        """Whether an image may be shown from there: nobody else learns who looks at the page."""
        try:
            parts = urlsplit(address)
            fine = (
                parts.scheme == "https" and parts.username is None
                and self._site.allows_origin(f"https://{parts.netloc}")
            )  # fmt: skip
        except ValueError:
            fine = False
        return fine and address.isascii() and address.isprintable() and not set(address) & set(" \"'<>\\")


def judged_words(members: dict[str, Any]) -> str:
    """All words of a review, as rules and the filter read them."""
    return "\n\n".join(one for one in (members.get(name) for name in ("title", "pros", "cons", "text")) if one)


def judged_html(members: dict[str, Any]) -> str:
    """The same as it is shown."""
    plain = "".join(
        f"<p>{escape(one)}</p>" for one in (members.get(name) for name in ("title", "pros", "cons")) if one
    )
    return plain + str(members.get("html") or "")


def compared_words(name: str, members: dict[str, Any]) -> str:
    """What bans of words are held against."""
    return compared(name, judged_words(members), str(members.get("variant") or ""), visible(members.get("html") or ""))
