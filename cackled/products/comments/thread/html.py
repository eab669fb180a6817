"""A conversation as HTML. The text of a comment is what the widget shows: sanitised when it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from html import escape
from typing import Any

from cackled.api.thread import ThreadRender
from cackled.api.thread_pages import address
from cackled.api.thread_pictures import pictures
from cackled.domain.formulas import MOST_TEX, with_formulas
from cackled.languages import Language, Words
from cackled.products.comments.pages import next_cursor
from cackled.products.comments.settings import CommentSettings
from cackled.products.comments.thread.words import core_words


class Frame:
    """What the comments of one page have in common. *url* is the site's page, or ``""``."""

    def __init__(self, render: ThreadRender, words: Words, widget: Words, url: str, *, locked: bool) -> None:
        self._words = words
        self._widget = widget
        self._core = core_words(render.language)
        self._language: Language = render.language
        self._url = url
        self._writable = render.open and not locked
        self._locked = locked
        self._math = render.site.product(CommentSettings).math
        # Characters of TeX that are made into formulas on one page.
        self._left = 4 * MOST_TEX
        self._base = render.base
        self._path = f"{render.base}/threads/{render.site.id}"
        query = render.query
        self._about = {
            "channel": query.channel, "url": query.url, "host": "1" if query.host else "",
            "lang": "" if render.language == render.site.settings.language else render.language,
        }  # fmt: skip

    def conversation(self, comments: Sequence[Mapping[str, Any]], count: int, root: int | None) -> str:
        """The comments of a page; *root*: those are the answers to that comment."""
        head = f"<h2>{escape(self._widget('comments', n=count))}</h2>"
        if root is not None:
            whole = address(self._path, self._about)
            head = f'<p><a href="{escape(whole)}">{escape(self._words("all"))}</a></p>'
        if not comments:
            told = self._widget("closed") if self._locked else self._widget("empty")
            return f'{head}<p class="mc-quiet">{escape(told)}</p>'
        closed = f'<p class="mc-quiet">{escape(self._widget("closed"))}</p>' if self._locked else ""
        return f"{head}{self._list(comments)}{closed}"

    def _list(self, comments: Sequence[Mapping[str, Any]]) -> str:
        return f'<ol class="mc-list">{"".join(map(self._one, comments))}</ol>'

    def _one(self, comment: Mapping[str, Any]) -> str:
        number = comment["id"]
        below = comment.get("replies") or ()
        inner = self._list(below) if below else ""
        more = comment.get("more") or 0
        if more:
            target = address(self._path, {**self._about, "root": number, "cursor": _behind(below)})
            inner += f'<p><a href="{escape(target)}">{escape(self._widget("moreReplies", n=more))}</a></p>'
        return f'<li class="mc-item" id="mc-{number}"><article>{self._said(comment)}</article>{inner}</li>'

    def _said(self, comment: Mapping[str, Any]) -> str:
        if comment["deleted"]:
            return f'<p class="mc-by">{escape(self._widget("deleted"))}</p>'
        number, author = comment["id"], comment["author"]
        name = author["name"] or self._core("guest")
        when = f'<time datetime="{comment["created"]}">{day(comment["created"], self._language)}</time>'
        link = f"{self._url}#mc-{number}" if self._url else f"#mc-{number}"
        marks = "".join(f' <span class="mc-mark">{escape(one)}</span>' for one in self._marks(comment))
        edited = f" · {escape(self._core('edited'))}" if comment["edited"] else ""
        score = f" · {escape(self._widget('score'))}: {comment['score']}" if comment["up"] or comment["down"] else ""
        acts = ""
        if self._writable and not comment.get("locked"):
            target = address(f"{self._path}/write", {**self._about, "parent": number})
            acts = f'<p class="mc-acts"><a rel="nofollow" href="{escape(target)}">{escape(self._core("reply"))}</a></p>'
        return (
            f'<p class="mc-by"><b dir="auto">{escape(name)}</b>{marks} · '
            f'<a rel="bookmark" href="{escape(link)}">{when}</a>{edited}{score}</p>'
            f'<div class="mc-text" dir="auto">{self._text(comment["html"])}</div>'
            f'{pictures(comment.get("media"), self._base, name)}{acts}'
        )

    def _text(self, html: str) -> str:
        if not self._math or "language-math" not in html:
            return html
        made, self._left = with_formulas(html, self._left)
        return made

    def _marks(self, comment: Mapping[str, Any]) -> list[str]:
        badges = comment["author"].get("badges") or ()
        found = [self._core("staff")] if {"moderator", "admin", "staff"}.intersection(badges) else []
        return found + ([self._widget("featured")] if comment.get("featured") else [])


def _behind(below: Sequence[Mapping[str, Any]]) -> str:
    """The cursor behind the answers that are there: they are the oldest ones."""
    last = max((_latest(one) for one in below), default=0)
    return next_cursor("", last) if last else ""


def _latest(comment: Mapping[str, Any]) -> int:
    return max(int(comment["id"]), *(_latest(one) for one in comment.get("replies") or ()), 0)


def day(time: str, language: Language) -> str:
    """The day of a time (ISO 8601, UTC) as the language writes it."""
    return _day(time[:10], language)


@lru_cache(maxsize=20_000)
def _day(time: str, language: Language) -> str:
    # Not at the start: it reads the names of months and days of all languages.
    from babel.dates import format_date

    return escape(format_date(date.fromisoformat(time), format="long", locale=language))
