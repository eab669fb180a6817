"""Signing in by mail: a letter with a link for the same browser, and six figures for any other.

The link of a letter that was opened elsewhere signs nobody in: else whoever writes another's address into the form
would be signed in by that other's click. What the form answers is the same whoever has the address, and whether or not
it was written to already.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from secrets import randbelow, token_urlsafe

import msgspec
from msgspec.structs import replace

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.mail_templates import PLAIN, Dress, LetterKind, MailTemplates, Template
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.people import Facts
from cackled.domain.quoting import cleaned
from cackled.domain.site import Site
from cackled.identity.flow import Errand, facts_of, mark_of
from cackled.identity.one_time import OneTime
from cackled.identity.presets import Somebody
from cackled.identity.provider_http import SignInFailed
from cackled.languages import LANGUAGES, Catalogue, Language
from cackled.products.product import OutboxParts

WORDS = Catalogue(Path(__file__).parents[1] / "web" / "identity" / "locales", "signIn")
# Seconds that a letter is good for, and between two to one address.
LIFETIME = 900.0
PAUSE = 60.0
# Figures that may be tried for one letter, and for one address in a day: whoever asks for letters to another's address
# again and again must not get one of a million figures right in the end. The letter's link works all the same.
TRIES = 5
MOST_GUESSES = 20
DAY = 86_400.0

INSERT_LETTER = Query(
    "insert_sign_in_letter",
    "insert into outbox (site_id, kind, body) values ($1, 'sign-in-mail', $2)",
    ("int", "text"),
)


class Letter(msgspec.Struct, frozen=True):
    """What the outbox keeps of a letter; it is good for nothing after `LIFETIME`."""

    to: str
    link: str
    code: str
    lang: str


class MailLink:
    """Signing in by mail, on one site."""

    def __init__(self, site: Site, database: Database, wall_time: Callable[[], float]) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._once = OneTime(site, database)
        self._wall_time = wall_time

    async def write(self, errand: Errand, base: str, language: str) -> str:
        """Send a letter to the errand's address; gives the handle that its figures go with. *base* is what the link
        begins with."""
        handle, key, code = token_urlsafe(24), token_urlsafe(24), f"{randbelow(1_000_000):06d}"
        kept = replace(errand, nonce=_hash(key), code=_hash(handle + code))
        await self._once.put("mail", handle, _text(kept), self._wall_time() + LIFETIME)
        # Whoever asks again in a moment is told the same, and nobody is flooded.
        if await self._once.put("written", errand.email.lower(), "", self._wall_time() + PAUSE):
            letter = Letter(errand.email, f"{base}?handle={handle}&key={key}", code, language)
            await self._database.write(INSERT_LETTER, self._site.id, msgspec.json.encode(letter).decode())
        return handle

    async def errand(self, handle: str, cookie: str) -> Errand:
        """The errand that a letter is for.

        Raises:
            SignInFailed: there is none, or it is another browser's (``elsewhere``).
        """
        data = await self._once.peek("mail", handle)
        if data is None:
            raise SignInFailed("late", "an old letter")
        errand = msgspec.json.decode(data, type=Errand)
        if not hmac.compare_digest(errand.browser, mark_of(cookie)):
            raise SignInFailed("elsewhere", "a letter opened in another browser")
        return errand

    async def by_link(self, handle: str, key: str, cookie: str) -> tuple[Errand, Facts]:
        """Who has the letter's link.

        Raises:
            SignInFailed
        """
        errand = await self.errand(handle, cookie)
        if not hmac.compare_digest(errand.nonce, _hash(key)):
            raise SignInFailed("late", "another letter's key")
        return self._somebody(await self._take(handle))

    async def by_code(self, handle: str, code: str, cookie: str) -> tuple[Errand, Facts]:
        """Who has the letter's figures.

        Raises:
            SignInFailed: also ``wrong``, as long as another may be tried.
        """
        asked = await self.errand(handle, cookie)
        # Counted before it is looked at, so that no more can be tried at the same time.
        if await self._once.count("guessed", asked.email.lower(), DAY) > MOST_GUESSES:
            raise SignInFailed("late", "too many figures for one address")
        figures = "".join(one for one in code if one.isdigit())
        # Taken while it is looked at, so that no more can be tried at the same time.
        errand = await self._take(handle)
        if not hmac.compare_digest(errand.code, _hash(handle + figures)):
            if errand.tries + 1 >= TRIES:
                raise SignInFailed("late", "too many figures")
            await self._once.keep("mail", handle, _text(replace(errand, tries=errand.tries + 1)), LIFETIME)
            raise SignInFailed("wrong", "wrong figures")
        await self._once.take("guessed", errand.email.lower())
        return self._somebody(errand)

    async def _take(self, handle: str) -> Errand:
        data = await self._once.take("mail", handle)
        if data is None:
            raise SignInFailed("late", "a letter that was used")
        return msgspec.json.decode(data, type=Errand)

    def _somebody(self, errand: Errand) -> tuple[Errand, Facts]:
        who = Somebody(errand.email.lower(), errand.name, errand.email, True)
        return errand, facts_of("mail", who, self._wall_time())


class SignInMail:
    """The outbox's handler of kind ``sign-in-mail``."""

    def __init__(self, parts: OutboxParts, wall_time: Callable[[], float]) -> None:
        self._parts = parts
        self._wall_time = wall_time

    async def deliver(self, work: Work) -> None:
        """Write one letter.

        Raises:
            Retry, GiveUp
        """
        site, send = self._parts.sites.find(work.site), self._parts.send
        letter = msgspec.json.decode(work.body, type=Letter)
        if site is None or send is None:
            raise GiveUp("there is no mail server, or no such site")
        if self._wall_time() > work.created + LIFETIME:
            raise GiveUp("it is too late for that letter")
        language = _language(letter.lang)
        dress = await MailTemplates(site, self._parts.database, self._parts.own_url).dress("sign-in", language)
        message = sign_in_message(language, site.name, letter.link, letter.code, dress)
        message["From"], message["To"] = self._parts.sender, letter.to
        message["Date"] = formatdate(self._wall_time(), usegmt=True)
        message["Auto-Submitted"] = "auto-generated"
        message["Message-ID"] = f"<cackled.{work.site}.{work.id}@{self._parts.sender.rpartition('@')[2]}>"
        await _sent(send(letter.to, message))


def sign_in_message(language: Language, site: str, link: str, code: str, dress: Dress = PLAIN) -> EmailMessage:
    """The letter with a link and figures."""
    words, name = WORDS.words(language), cleaned(site)[:60]
    message = EmailMessage()
    message["Subject"] = dress.subject(words("subject", site=name))
    message["Content-Language"] = words.language
    lines = [
        *dress.intro, words("letter", site=name), "", link, "", words("letterCode"), "",
        f"    {code[:3]} {code[3:]}", "", words("letterNot"), *dress.footer,
    ]  # fmt: skip
    message.set_content("\n".join(lines) + "\n")
    return message


async def _sample(site: Site, language: Language, template: Template) -> EmailMessage:
    dress = Dress(template, {"site": site.name})
    return sign_in_message(language, site.name, "https://www.example.com/", "123456", dress)


KINDS = (LetterKind(name="sign-in", places=("site",), sample=_sample),)


async def _sent(sending: Awaitable[None]) -> None:
    try:
        await sending
    except ValueError as error:
        raise GiveUp(str(error)) from None
    except OSError as error:
        raise Retry(str(error)) from None


def _language(name: str) -> Language:
    return next((one for one in LANGUAGES if one == name), "en")


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def _text(errand: Errand) -> str:
    return msgspec.json.encode(errand).decode()
