"""Mail to a site's moderators about reviews: what waits, low ratings, or everything, as the owner chose.

The outbox holds no words, only from which review on; they are read when the message is made, so that nothing is mailed
that is gone by then. Whatever strangers wrote stands in quotation marks or indented.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate, parseaddr

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.mail_templates import PLAIN, Dress, LetterKind, MailTemplates, Template
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.quoting import cleaned, indented, quoted
from cackled.domain.site import Site
from cackled.languages import Language
from cackled.products.product import OutboxParts
from cackled.products.reviews.mail import WORDS
from cackled.products.reviews.settings import ReviewSettings

# Reviews in one message, and of each so many characters.
MOST = 50
LONGEST = 1_000

SELECT_NOTICED = Query(
    "select_noticed_reviews",
    """
    select r.id, r.author_name, coalesce((v.data::jsonb ->> 'star')::int, r.star),
      coalesce(v.data::jsonb ->> 'title', r.title), coalesce(v.data::jsonb ->> 'pros', r.pros),
      coalesce(v.data::jsonb ->> 'cons', r.cons), coalesce(v.data::jsonb ->> 'text', r.src),
      r.status = 0 or v.review_id is not null, h.title, h.key, h.url
    from review r join channel h on h.site_id = $1 and h.id = r.channel_id
    left join review_revision v on v.site_id = $1 and v.review_id = r.id
    where r.site_id = $1 and (
        r.id >= $2
        or r.id in (select x.review_id from review_revision x where x.site_id = $1 and x.created_at >= to_timestamp($3))
        or r.modified_at >= to_timestamp($3) and r.edited_at >= to_timestamp($3))
      and review_noticed(r, $4)
    order by r.id limit $5
    """,
    ("int", "bigint", "float8", "text", "int"),
)


class About(Struct, frozen=True):
    """From which review on."""

    id: str


class Noticed(Struct, frozen=True, array_like=True):
    """A review as it is read for a message."""

    id: int
    name: str
    star: int | None
    title: str
    pros: str
    cons: str
    text: str
    waits: bool
    page: str
    key: str
    url: str


class ReviewNotices:
    """The outbox's handler of kind ``review-notice``."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts

    async def deliver(self, work: Work) -> None:
        """Write to the site's moderators, where there is still something to tell.

        Raises:
            Retry, GiveUp
        """
        parts = self._parts
        site = parts.sites.find(work.site)
        if site is None or not site.settings.moderator_email:
            raise GiveUp("the site has no moderators' address any more")
        if parts.send is None:
            raise GiveUp("there is no [mail] host")
        level = level_of(site)
        first = int(msgspec.json.decode(work.body, type=About).id)
        database = parts.database.site(site.id)
        # The outbox and the change have one time, but for what a float loses of it.
        question = (SELECT_NOTICED, site.id, first, work.created - 0.001, level, MOST)
        rows = (await database.read(*question, preference=ReadPreference.PRIMARY)).rows
        if not rows:
            return
        said = [msgspec.convert(row, Noticed) for row in rows]
        told = {"page": said[0].page or said[0].key, "n": len(said)}
        templates = MailTemplates(site, parts.database, parts.own_url)
        dress = await templates.dress("review-moderators", site.settings.language, told)
        message = notice(site, site.settings.language, said, parts.own_url, dress)
        message["From"] = parts.sender
        message["To"] = site.settings.moderator_email
        # The same for every try: by it a receiver knows a repetition.
        host = parseaddr(parts.sender)[1].rpartition("@")[2]
        message["Message-ID"] = f"<cackled.review.{work.site}.{work.id}@{host}>"
        message["Date"] = formatdate(work.created)
        try:
            await parts.send(site.settings.moderator_email, message)
        except ValueError as error:
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None


def level_of(site: Site) -> str:
    """Of which reviews moderators are written to: as the database function `review_noticed` takes it."""
    level = site.product(ReviewSettings).moderator_mail
    return "" if level == "off" or not site.settings.moderator_email else level


def notice(site: Site, language: Language, said: list[Noticed], own_url: str, dress: Dress = PLAIN) -> EmailMessage:
    """A message about reviews."""
    words = WORDS.words(language)
    message = EmailMessage()
    message["Auto-Submitted"] = "auto-generated"
    where = quoted(said[0].page or said[0].key, 80)
    one = words("heldOne" if said[0].waits else "newOne", page=where)
    subject = one if len(said) == 1 else words("newSeveral", n=len(said))
    message["Subject"] = dress.subject(f"[{cleaned(site.name)}] {subject}")
    parts = []
    for review in said:
        name = quoted(review.name or words("somebody"), 80)
        lines = [words("by", name=name, page=quoted(review.page or review.key))]
        if review.star is not None:
            lines.append(f"{'★' * review.star}{'☆' * (5 - review.star)} {words('plain', stars=review.star)}")
        if review.waits:
            lines.append(words("waits"))
        if review.url:
            lines.append(f"{review.url.partition('#')[0]}#cr-{review.id}")
        whole = [review.title, *(f"{mark} {text}" for mark, text in (("+", review.pros), ("−", review.cons)) if text)]
        lines += ["", indented("\n".join(one for one in (*whole, review.text) if one), LONGEST), ""]
        parts.append("\n".join(lines))
    if own_url:
        state = "pending" if any(one.waits for one in said) else "all"
        path = f"/panel/sites/{site.id}/queue?state={state}&product=reviews"
        parts += [words("queue"), f"    {own_url.rstrip('/')}{path}"]
    message.set_content("\n".join([*dress.intro, *parts, *dress.footer]) + "\n")
    message["Content-Language"] = words.language
    return message


async def _sample(site: Site, language: Language, template: Template) -> EmailMessage:
    said = Noticed(1, "Ann", 2, "…", "", "", "…", True, site.name, "/page", "")
    dress = Dress(template, {"site": site.name, "page": site.name, "n": 1})
    return notice(site, language, [said], "", dress)


KINDS = (LetterKind(name="review-moderators", places=("site", "page", "n"), sample=_sample),)
