"""Mail to visitors: answers that they have not read, and the conversation as they asked for it.

The outbox holds no words, only which conversation; they are read when the letter is made. A link leads to the site's
own page alone, and resumes the conversation there once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.mail_templates import PLAIN, Dress, LetterKind, MailTemplates, Template
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.page_links import site_page
from cackled.domain.quoting import cleaned, indented
from cackled.domain.site import Site
from cackled.languages import Language, accepted
from cackled.products.chat.mail_words import WORDS
from cackled.products.chat.replies_by_mail import reply_address
from cackled.products.product import OutboxParts

# Messages of one letter, and characters of each.
MOST = 500
LONGEST = 4_000

SELECT_LETTER = Query(
    "select_chat_letter",
    """
    select c.mail, c.language, c.tokens, c.seen_visitor >= c.said_operator or c.ended or c.state = 'spam', coalesce(
        c.trail::json -> -1 ->> 'url', ''), coalesce((
      select json_agg(json_build_object('from', m.sender, 'name', m.author_name, 'text', m.text,
        'files', (
          select coalesce(json_agg(coalesce(f ->> 'name', '')), '[]') from json_array_elements(m.files::json) f),
        'at', to_char(m.created_at at time zone 'utc', 'YYYY-MM-DD HH24:MI'))
        order by m.seq, m.id)
      from (
        select y.* from chat_message y
        where y.site_id = $1 and y.chat_id = $2 and y.kind = 'text' and not y.deleted and y.seq > $3
          and ($3 = 0 or y.sender in ('operator', 'bot'))
        order by y.seq desc, y.id desc limit $4) m), '[]')::text
    from chat c where c.site_id = $1 and c.id = $2
    """,
    ("int", "bigint", "bigint", "int"),
)


class About(Struct, frozen=True):
    """What a letter is about: an ``answer`` (what came ``after``), or a ``transcript`` to ``mail``."""

    about: str
    chat: str
    after: int = 0
    mail: str = ""


class _Said(Struct, frozen=True, rename={"from_": "from"}):
    from_: str
    name: str
    text: str
    files: list[str]
    at: str


class ChatMail:
    """The outbox's handler of kind ``chat-mail``."""

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
        if self._parts.send is None:
            raise GiveUp("there is no [mail] host")
        about = msgspec.json.decode(work.body, type=About)
        answer, chat = about.about == "answer", int(about.chat)
        database = self._parts.database.site(site.id)
        after = max(about.after, 1) if answer else 0
        found = await database.read(SELECT_LETTER, site.id, chat, after, MOST, preference=ReadPreference.PRIMARY)
        if not found.rows:
            return
        mail, spoken, tokens, read, url, words = found.rows[0]
        said = msgspec.json.decode(words, type=list[_Said])
        to = mail if answer else about.mail
        if not to or not said or (answer and read):
            return
        language = accepted(spoken, site.settings.language)
        dress = await MailTemplates(site, self._parts.database, self._parts.own_url).dress(
            "chat-answer" if answer else "chat-transcript", language
        )
        link, reply = "", ""
        page = site_page(site, url)
        if answer and page:
            token, _ = await self._parts.links.token(site.id, "chat", chat, work.id, tokens)
            link = f"{page}#cackled-chat={token}"
        if answer:
            reply = await reply_address(self._parts.links, self._parts.replies, site.id, chat, tokens)
        message = letter(site, language, self._parts.sender, to, said, dress, answer=answer, link=link, reply=reply)
        message["Message-ID"] = f"<chat.{work.site}.{work.id}@{self._parts.sender.rpartition('@')[2]}>"
        message["Date"] = formatdate(work.created)
        try:
            await self._parts.send(to, message)
        except ValueError as error:
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None


def letter(
    site: Site, language: Language, sender: str, to: str, said: list[_Said], dress: Dress = PLAIN, *, answer: bool,
    link: str = "", reply: str = "",
) -> EmailMessage:  # fmt: skip
    """A letter with what was said."""
    words, name = WORDS.words(language), cleaned(site.name)
    message = EmailMessage()
    user, _, host = parseaddr(sender)[1].rpartition("@")
    try:
        message["From"] = Address(name[:60], user, host)
    except ValueError:
        message["From"] = sender
    message["To"] = to
    if reply:
        message["Reply-To"] = reply
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Subject"] = dress.subject(words("answer" if answer else "transcript", site=name))
    parts = [*dress.intro, words("intro" if answer else "transcriptIntro", site=name), ""]
    for one in said:
        who = words("you") if one.from_ == "visitor" else cleaned(one.name) or words("somebody")
        parts += [f"{who} ({one.at} UTC):"]
        parts += [indented(one.text, LONGEST)] if one.text else []
        parts += ["    " + (cleaned(name) or words("picture")) for name in one.files] + [""]
    if len(said) == MOST:
        parts += [words("left"), ""]
    if link:
        parts += [words("go"), link, ""]
    if reply:
        parts += [words("reply"), ""]
    message.set_content("\n".join([*parts, *dress.footer]))
    message["Content-Language"] = words.language
    return message


def _sample_of(answer: bool) -> Callable[[Site, Language, Template], Awaitable[EmailMessage]]:
    async def sample(site: Site, language: Language, template: Template) -> EmailMessage:
        said = [_Said("operator", "Ann", "…", [], "2026-01-01 12:00")]
        dress = Dress(template, {"site": site.name})
        return letter(site, language, "chat@localhost", "visitor@example.org", said, dress, answer=answer)

    return sample


KINDS = (
    LetterKind(name="chat-answer", places=("site",), sample=_sample_of(True)),
    LetterKind(name="chat-transcript", places=("site",), sample=_sample_of(False)),
)
