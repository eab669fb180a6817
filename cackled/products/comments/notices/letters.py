"""Letters to followers: as text, and as HTML that reads well in light and dark, on a phone, and without pictures.

Whatever strangers wrote is quoted; what a letter links to are the site's own pages and ourselves alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.message import EmailMessage
from html import escape, unescape
from pathlib import Path

from msgspec import Struct

from cackled.domain.letter_page import FOOT, INTRO, letter_page
from cackled.domain.mail_templates import PLAIN, Dress, LetterKind, Template
from cackled.domain.quoting import cleaned, indented
from cackled.domain.site import Site
from cackled.languages import Catalogue, Language, Words
from cackled.products.comments.notices.service import Reason

WORDS = Catalogue(Path(__file__).parents[1] / "web" / "locales", "notices")
# Characters of one comment in a letter.
LONGEST = 1_200
_TAG = re.compile(r"<[^>]*>")
_LINK = re.compile(r"</?a\b[^>]*>")
_ENDS = re.compile(r"</(?:p|li|blockquote|pre|h\d)>|<br ?/?>")


class Item(Struct, frozen=True):
    """One comment in a letter; ``link`` is its place, or ``""``."""

    reason: Reason
    name: str
    page: str
    link: str
    html: str


class Links(Struct, frozen=True):
    """Where the links of a letter lead: settings, no more letters, and the same for mail programs."""

    settings: str
    stop: str


def plain(html: str) -> str:
    """The text of sanitised HTML."""
    return unescape(_TAG.sub("", _ENDS.sub("\n", html))).strip()


def subject(words: Words, site: str, items: Sequence[Item], count: int) -> str:
    """The subject of a letter about *items*, *count* of them in all."""
    if count > 1:
        return words("several", n=count, site=_line(site, 60))
    one = items[0]
    return words(one.reason, name=_line(one.name, 40), page=_line(one.page, 80))


def _line(text: str, most: int) -> str:
    line = cleaned(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def letter(
    words: Words, site: str, items: Sequence[Item], count: int, links: Links, dress: Dress = PLAIN
) -> EmailMessage:
    """A letter about new comments; its headers From, To, Date and Message-ID are the caller's."""
    title = dress.subject(subject(words, site, items, count))
    message = _message(words, title)
    message["List-Unsubscribe"] = f"<{links.stop}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    left = count - len(items)
    why = words("why", site=_line(site, 60))
    lines: list[str] = dress.intro
    cards: list[str] = [dress.intro_html(INTRO)]
    for one in items:
        head = words(one.reason, name=_line(one.name, 60), page=_line(one.page, 120))
        text = plain(one.html)
        lines += [head, "", indented(text, LONGEST), ""]
        if one.link:
            lines += [words("open"), f"    {one.link}", ""]
        cards.append(_card(words, head, one))
    if left > 0:
        more = words("more", n=left)
        lines += [more, ""]
        cards.append(f'<p class="quiet" style="margin:0 0 20px;color:#5f6770">{escape(more)}</p>')
    lines += [*dress.footer[1:], *dress.footer[:1], "-- ", why, ""]
    lines += [f"{words('settings')}: {links.settings}", f"{words('stop')}: {links.stop}"]
    message.set_content("\n".join(lines) + "\n")
    foot = (
        f'{dress.footer_html(FOOT)}{escape(why)}<br>'
        f'<a class="link" style="color:#5f6770" href="{escape(links.settings)}">'
        f'{escape(words("settings"))}</a> &nbsp; <a style="color:#5f6770" href="{escape(links.stop)}">'
        f'{escape(words("stop"))}</a>'
    )
    message.add_alternative(letter_page(words, title, "".join(cards), foot), subtype="html")
    # Set last: what is said of content goes to the first part when there are two.
    message["Content-Language"] = words.language
    return message


def confirmation(words: Words, site: str, link: str, dress: Dress = PLAIN) -> EmailMessage:
    """The letter that asks whether mail may come."""
    name = _line(site, 60)
    title = dress.subject(words("confirmSubject", site=name))
    message = _message(words, title)
    text, not_me = words("confirmText", site=name), words("confirmNot")
    lines = [*dress.intro, text, "", f"{words('confirmButton')}:", f"    {link}", *dress.footer, "", "-- ", not_me]
    message.set_content("\n".join(lines) + "\n")
    body = dress.intro_html(INTRO) + f'<p class="text" style="margin:0 0 20px;color:#1c1f23">{escape(text)}</p>'
    body += _button(words("confirmButton"), link)
    message.add_alternative(letter_page(words, title, body, dress.footer_html(FOOT) + escape(not_me)), subtype="html")
    message["Content-Language"] = words.language
    return message


def _message(words: Words, title: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(title.split())[:200]
    message["Auto-Submitted"] = "auto-generated"
    return message


def _card(words: Words, head: str, one: Item) -> str:
    html = one.html if len(plain(one.html)) <= LONGEST else f"<p>{escape(plain(one.html)[:LONGEST].rstrip())}…</p>"
    # A stranger's links are not to be pressed by mistake; their text stands.
    html = _LINK.sub("", html)
    side = "right" if words.direction == "rtl" else "left"
    return (
        f'<p class="head" style="margin:0 0 8px;font-weight:600;color:#1c1f23">{escape(head)}</p>'
        f'<div class="said text" dir="auto" style="margin:0 0 16px;padding:0 14px;border-{side}:3px solid #b9c8ea;'
        f'color:#1c1f23;overflow-wrap:anywhere">{html}</div>'
        f"{_button(words('open'), one.link) if one.link else ''}"
    )


def _button(text: str, link: str) -> str:
    return (
        f'<p style="margin:0 0 24px"><a href="{escape(link)}" style="display:inline-block;padding:11px 20px;'
        f'background:#2458d3;color:#ffffff;border-radius:8px;text-decoration:none;font-weight:600">{escape(text)}</a></p>'
    )


async def _sample(site: Site, language: Language, template: Template) -> EmailMessage:
    words, name = WORDS.words(language), "Ann"
    one = Item("reply", name, site.name, "https://www.example.com/page", "<p>…</p>")
    dress = Dress(template, values(site.name, [one], 1))
    return letter(words, site.name, [one], 1, Links("https://www.example.com/", "https://www.example.com/"), dress)


async def _sample_confirmation(site: Site, language: Language, template: Template) -> EmailMessage:
    dress = Dress(template, {"site": site.name})
    return confirmation(WORDS.words(language), site.name, "https://www.example.com/", dress)


def values(site: str, items: Sequence[Item], count: int) -> dict[str, object]:
    """What stands for the placeholders of a letter about *items*, *count* of them in all."""
    return {"site": site, "page": items[0].page, "name": items[0].name, "n": count}


KINDS = (
    LetterKind(name="notices", places=("site", "page", "name", "n"), sample=_sample),
    LetterKind(name="confirm", places=("site",), sample=_sample_confirmation),
)
