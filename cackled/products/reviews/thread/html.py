"""Reviews as HTML. The text of a review is what the widget shows: sanitised when it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from html import escape
from typing import Any

from cackled.api.thread import ThreadRender
from cackled.api.thread_pictures import pictures
from cackled.languages import Language
from cackled.products.reviews.thread.words import core_words, widget_words


class Frame:
    """What the reviews of one page have in common. *url* is the site's page, or ``""``."""

    def __init__(self, render: ThreadRender, url: str, summary: Mapping[str, Any]) -> None:
        self._words = widget_words(render.language)
        self._core = core_words(render.language)
        self._language: Language = render.language
        self._url = url
        self._summary = summary
        self._base = render.base
        self._site = render.site.name or str(render.site.id)

    def page(self, reviews: Sequence[Mapping[str, Any]], *, first: bool) -> str:
        """The figures, on the first page, and the reviews."""
        if not reviews:
            return f'<p class="mc-quiet">{escape(self._words("reviewNone"))}</p>'
        head = self._figures() if first else ""
        return f'{head}<ol class="mc-list">{"".join(map(self._one, reviews))}</ol>'

    def _figures(self) -> str:
        summary, own = self._summary, self._summary["own"]
        if summary["average"] is None:
            return ""
        parts = [self._figure(summary["average"], summary["count"])]
        # What is told to search engines stands on the page: without what was written elsewhere.
        if own["count"] and (own["count"], own["average"]) != (summary["count"], summary["average"]):
            parts.append(f"{self._site}: {self._figure(own['average'], own['count'])}")
        if summary["recommend_of"]:
            share = f"{round(100 * summary['recommend'] / summary['recommend_of'])} %"
            parts.append(self._words("reviewRecommend", value=share))
        return "".join(f'<p class="mc-figures">{escape(one)}</p>' for one in parts)

    def _figure(self, average: float, count: int) -> str:
        return f"{self._stars(average)} · {self._words('reviewCount', n=count)}"

    def _stars(self, value: float) -> str:
        return self._words("reviewOutOf", value=f"{value:g}")

    def _one(self, review: Mapping[str, Any]) -> str:
        number, author = review["id"], review["author"]
        name = (author and author["name"]) or self._core("guest")
        when = f'<time datetime="{review["created"]}">{day(review["created"], self._language)}</time>'
        link = f"{self._url}#cr-{number}" if self._url else f"#cr-{number}"
        marks = "".join(f' <span class="mc-mark">{escape(one)}</span>' for one in self._marks(review))
        lived = ""
        if review["experienced"]:
            told = self._words("reviewExperienced", time=_plain_day(review["experienced"], self._language))
            lived = f" · {escape(told)}"
        title = f'<h2 dir="auto">{escape(review["title"])}</h2>' if review["title"] else ""
        star = f"<b>{escape(self._stars(review['star']))}</b> · " if review["star"] is not None else ""
        edited = f" · {escape(self._core('edited'))}" if review["edited"] else ""
        return (
            f'<li class="mc-item" id="cr-{number}"><article>{title}<p class="mc-by">{star}'
            f'<b dir="auto">{escape(name)}</b>{marks} · <a rel="bookmark" href="{escape(link)}">{when}</a>{lived}'
            f'{edited}</p><div class="mc-text" dir="auto">{review["html"]}</div>{self._more(review)}</article></li>'
        )

    def _more(self, review: Mapping[str, Any]) -> str:
        # A picture is a link, which needs words, also where its author gave none.
        photos = [
            {**one, "alt": one["alt"] or self._words("reviewPhoto", n=n)} for n, one in enumerate(review["media"], 1)
        ]
        parts = [pictures(photos, self._base)]
        # What lies at another server is not loaded unasked.
        parts += [
            f'<p><a rel="nofollow ugc noopener noreferrer" href="{escape(one["link"])}">{escape(one["alt"])}</a></p>'
            for one in photos if one.get("link")
        ]
        parts += [
            f'<p dir="auto"><b>{escape(self._words(word))}:</b> {escape(review[name])}</p>'
            for name, word in (("pros", "reviewPros"), ("cons", "reviewCons"))
            if review[name]
        ]
        if review["recommend"] is not None:
            told = self._words("reviewRecommends" if review["recommend"] else "reviewRecommendsNot")
            parts.append(f"<p>{escape(told)}</p>")
        reply = review["reply"]
        if reply:
            by = f'<b dir="auto">{escape(reply["name"])}</b> · {escape(self._words("reviewOwner"))}'
            text = f'<div class="mc-text" dir="auto">{reply["html"]}</div>'
            parts.append(f'<blockquote><p class="mc-by">{by}</p>{text}</blockquote>')
        return "".join(parts)

    def _marks(self, review: Mapping[str, Any]) -> list[str]:
        source = review["source"] or ""
        found: list[str] = []
        if review["verified"] == "order":
            found.append(self._words("reviewVerified"))
        if review["verified"] == "source":
            found.append(self._words("reviewVerifiedBy", name=source))
        elif source:
            found.append(self._words("reviewImported", name=source))
        if review["incentivized"]:
            found.append(self._words("reviewPaid"))
        if review["staff"]:
            found.append(self._core("staff"))
        return found


def day(time: str, language: Language) -> str:
    """The day of a time (ISO 8601, UTC) as the language writes it, as HTML."""
    return escape(_plain_day(time[:10], language))


@lru_cache(maxsize=20_000)
def _plain_day(time: str, language: Language) -> str:
    # Not at the start: it reads the names of months and days of all languages.
    from babel.dates import format_date

    return format_date(date.fromisoformat(time), format="long", locale=language)
