"""Mail of reviews: requests to buyers, and what authors are told of a decision.

The outbox holds no words and no address, only which order or review. A request goes out only while the site confirms
its legal ground, and to nobody who wants none (RFC 8058). Its stars lead to the form, which opens with them.
"""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cackled.clock import wall_time
from cackled.database.query import Query, ReadPreference
from cackled.domain.letter_page import FOOT, INTRO, letter_page
from cackled.domain.mail_templates import PLAIN, Dress, LetterKind, MailTemplates, Template
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.quoting import cleaned
from cackled.domain.site import Site
from cackled.languages import LANGUAGES, Catalogue, Language, Words
from cackled.products.product import OutboxParts
from cackled.products.reviews.orders import Keys, link_to, stop_token, token_of
from cackled.products.reviews.settings import ReviewSettings

FOLDER = Path(__file__).parent / "web" / "mail"
WORDS = Catalogue(FOLDER, "reviews")
REASONS = Catalogue(FOLDER, "reasons")
# Products in one request.
MOST = 10

SELECT_REQUEST = Query(
    "select_review_request",
    """
    select r.state, r.due_at <= now() + interval '1 minute', o.ref, o.mail, o.mail_hash, o.language,
      exists (select from review_block b where b.site_id = $1 and b.mail_hash = o.mail_hash),
      (select json_agg(json_build_object('channel', i.channel_id::text, 'url', i.url,
                                         'title', coalesce(nullif(i.title, ''), i.key)) order by i.key)::text
       from review_order_item i where i.site_id = $1 and i.order_id = o.id and i.review_id is null and i.url <> '')
    from review_request r join review_order o on o.site_id = $1 and o.id = r.order_id
    where r.site_id = $1 and r.order_id = $2
    """,
    ("int", "bigint"),
)
# With the one reminder, where there is to be one.
NOTE_SENT = Query(
    "note_review_request_sent",
    """
    with r as (
      update review_request set state = $3, sent_at = case when $3 = 'sent' then now() else sent_at end,
        reminded_at = case when $3 = 'reminded' then now() end
      where site_id = $1 and order_id = $2 and state in ('waiting', 'sent') returning order_id
    )
    insert into outbox (site_id, kind, body, next_at)
    select $1, 'review-mail', format('{"about":"request","id":"%s"}', r.order_id), now() + make_interval(days => $4)
    from r where $4 > 0
    """,
    ("int", "bigint", "text", "int"),
)
STOP = Query(
    "note_review_request_stopped",
    """
    update review_request set state = $3, note = $4
    where site_id = $1 and order_id = $2 and state in ('waiting', 'sent')
    """,
    ("int", "bigint", "text", "text"),
)
SELECT_DECIDED = Query(
    "select_decided_review",
    """
    select p.email, h.title, h.key, h.url, r.status, r.reason from review r
    join channel h on h.site_id = $1 and h.id = r.channel_id
    join person p on p.site_id = $1 and p.visitor_id = r.visitor_id
    where r.site_id = $1 and r.id = $2 and r.status in (2, 3, 4) and not r.wiped and p.email_verified and p.email <> ''
    """,
    ("int", "bigint"),
)


class About(Struct, frozen=True):
    """What a message is about: ``request`` of an order, or a review that was ``decided`` on."""

    about: str
    id: str
    state: str = ""
    reason: str = ""


class _Item(Struct, frozen=True):
    channel: str
    url: str
    title: str


class ReviewMail:
    """The outbox's handler of kind ``review-mail``."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts

    async def deliver(self, work: Work) -> None:
        """Write what there is to write still.

        Raises:
            Retry, GiveUp
        """
        site = self._parts.sites.find(work.site)
        if site is None:
            raise GiveUp("there is no such site")
        about = msgspec.json.decode(work.body, type=About)
        if about.about == "request":
            await self._request(site, work, int(about.id))
        else:
            await self._decided(site, work, int(about.id))

    async def _request(self, site: Site, work: Work, order: int) -> None:
        database = self._parts.database.site(site.id)
        rows = (await database.read(SELECT_REQUEST, site.id, order, preference=ReadPreference.PRIMARY)).rows
        if not rows:
            return
        state, due, ref, mail, hashed, language, blocked, items = rows[0]
        if state not in ("waiting", "sent") or (state == "waiting" and not due):
            return
        settings = site.product(ReviewSettings)
        found = msgspec.json.decode(items or "[]", type=list[_Item])[:MOST]
        stopped = (
            ("stopped", "off") if settings.requests == "off" else ("stopped", "blocked") if blocked
            else ("failed", "no-address") if not (mail and found and self._parts.own_url) else None
        )  # fmt: skip
        if stopped is not None:
            await database.write(STOP, site.id, order, *stopped)
            return
        key = await Keys(database, site.id).key()
        token = token_of(
            site.id, key, order, [int(one.channel) for one in found], hashed, wall_time()
        )
        stop = f"{self._parts.own_url.rstrip('/')}/api/v1/sites/{site.id}/reviews/unsubscribe?stop="
        stop += stop_token(site.id, key, hashed)
        words = WORDS.words(language if language in LANGUAGES else site.settings.language)
        told = {"product": found[0].title, "order": ref}
        templates = MailTemplates(site, self._parts.database, self._parts.own_url)
        dress = await templates.dress("review-request", words.language, told)
        message = request_message(site, words, ref, found, token, stop, dress, again=state == "sent")
        message["To"] = mail
        try:
            await self._send(site, work, mail, message)
        except GiveUp:
            await database.write(STOP, site.id, order, "failed", "refused")
            raise
        days = settings.reminder_days if state == "waiting" else 0
        await database.write(NOTE_SENT, site.id, order, "sent" if state == "waiting" else "reminded", days)

    async def _decided(self, site: Site, work: Work, review: int) -> None:
        rows = (
            await self._parts.database.site(site.id).read(
                SELECT_DECIDED, site.id, review, preference=ReadPreference.PRIMARY
            )
        ).rows
        if not rows:
            return
        mail, title, key, url, _, reason = rows[0]
        words = WORDS.words(site.settings.language)
        page, name = cleaned(title or key)[:80], cleaned(site.name)
        told = {"page": page}
        templates = MailTemplates(site, self._parts.database, self._parts.own_url)
        dress = await templates.dress("review-decided", words.language, told)
        message = decided_message(words, page, name, reason, url, dress)
        message["To"] = mail
        await self._send(site, work, mail, message)

    async def _send(self, site: Site, work: Work, to: str, message: EmailMessage) -> None:
        send = self._parts.send
        if send is None:
            raise GiveUp("there is no [mail] host")
        sender = parseaddr(self._parts.sender)[1]
        user, _, host = sender.rpartition("@")
        try:
            message["From"] = Address(cleaned(site.name)[:60], user, host)
        except ValueError:
            message["From"] = self._parts.sender
        message["Auto-Submitted"] = "auto-generated"
        message["Message-ID"] = f"<cackled.review.{work.site}.{work.id}@{host}>"
        message["Date"] = formatdate(work.created)
        try:
            await send(to, message)
        except ValueError as error:
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None


REASON_WORDS = frozenset((
    "offtopic", "offensive", "personal-data", "advertising", "fake", "conflict-of-interest", "illegal", "duplicate",
    "not-experienced", "spam",
))  # fmt: skip


def decided_message(words: Words, page: str, site: str, reason: str, url: str, dress: Dress = PLAIN) -> EmailMessage:
    """What an author is told of a review that was hidden."""
    message = EmailMessage()
    message["Subject"] = dress.subject(words("decided", page=page))
    lines = [words("decidedLine", page=page, site=site)]
    if reason in REASON_WORDS:
        lines.append(words("reason", reason=REASONS.words(words.language)(reason)))
    lines += [words("change"), *([url] if url else [])]
    text = [*dress.intro, "\n\n".join(lines), *dress.footer]
    message.set_content("\n".join(text) + "\n")
    message["Content-Language"] = words.language
    return message


def request_message(
    site: Site, words: Words, ref: str, items: list[Any], token: str, stop: str, dress: Dress = PLAIN, *, again: bool
) -> EmailMessage:
    """A request for reviews of *items*, as text and as HTML; *again*: it is the reminder."""
    name = cleaned(site.name)
    titles = [cleaned(one.title)[:120] for one in items]
    message = EmailMessage()
    message["Subject"] = dress.subject(words("askAgain" if again else "ask", product=titles[0]))
    message["List-Unsubscribe"] = f"<{stop}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    bought = words("bought", site=name, product=", ".join(titles))
    why = words("why", order=cleaned(ref), site=name)
    text = [*dress.intro, bought, words("choose"), ""]
    body = [dress.intro_html(INTRO), _paragraph(bought), _paragraph(words("choose"))]
    for one, title in zip(items, titles, strict=True):
        text += [title]
        body.append(f'<p class="text" style="{INTRO}"><b dir="auto">{escape(title)}</b><br>')
        for star in range(5, 0, -1):
            link = link_to(one.url, token, star)
            label = words("plain", stars=star)
            text.append(f"  {label}: {link}")
            body.append(
                f'<a class="stars" href="{escape(link)}" title="{escape(label)}" style="display:inline-block;'
                'padding:5px 0;font-size:22px;line-height:1.3;letter-spacing:2px;text-decoration:none;color:#a35200">'
                f'{"★" * star}{"☆" * (5 - star)}</a><br>'
            )
        body.append("</p>")
        text.append("")
    text += [*dress.footer[1:], *dress.footer[:1], why, words("stopLine"), stop]
    foot = (
        f'{dress.footer_html(FOOT)}{escape(why)}<br><a class="link" style="color:#5f6770" href="{escape(stop)}">'
        f"{escape(words('stopTitle'))}</a>"
    )
    message.set_content("\n".join(text) + "\n")
    html = letter_page(words, str(message["Subject"]), "".join(body), foot)
    message.add_alternative(html, subtype="html")
    message["Content-Language"] = words.language
    return message


def _paragraph(text: str) -> str:
    return f'<p class="text" style="{INTRO}">{escape(text)}</p>'


def stop_page(words: Words, *, done: bool) -> bytes:
    """The page behind the link in a request: a button, or that it is done."""
    title = words("stopTitle")
    body = f"<p>{escape(words('stopped'))}</p>" if done else (
        f'<form method="post"><button>{escape(words("stopButton"))}</button></form>'
    )
    return (
        f'<!doctype html><html lang="{words.language}" dir="{words.direction}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:30em;"
        "margin:4em auto;padding:0 1em;color-scheme:light dark}button{font:inherit;padding:.5em 1em}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    ).encode()


async def _sample(site: Site, language: Language, template: Template) -> EmailMessage:
    item = _Item("1", "https://www.example.com/page", site.name)
    dress = Dress(template, {"site": site.name, "product": site.name, "order": "A-1"})
    url = "https://www.example.com/stop"
    return request_message(site, WORDS.words(language), "A-1", [item], "token", url, dress, again=False)


async def _sample_decided(site: Site, language: Language, template: Template) -> EmailMessage:
    dress = Dress(template, {"site": site.name, "page": site.name})
    words, url = WORDS.words(language), "https://www.example.com/page"
    return decided_message(words, site.name, site.name, "offtopic", url, dress)


KINDS = (
    LetterKind(name="review-request", places=("site", "product", "order"), sample=_sample),
    LetterKind(name="review-decided", places=("site", "page"), sample=_sample_decided),
)
