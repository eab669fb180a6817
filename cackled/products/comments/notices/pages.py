"""``/notices/{site}``: what links of letters lead to, without signing in.

    /notices/17/confirm?token=   whether mail may come; GET asks, POST does it
    /notices/17/stop?token=      no more letters; GET asks, POST does it, also that of mail programs (RFC 8058)
    /notices/17/settings?token=  all settings, and what is followed
    /notices/push.js             what a site's own service worker imports
    /notices/returned            reports of mail that came back (POST, message/rfc822)

GET changes nothing, because mail programs and scanners fetch links. Whoever has a letter may use its links.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode

from msgspec.structs import replace
from twisted.logger import Logger

from cackled.api.calls import refusal, unavailable
from cackled.api.context import ApiContext
from cackled.api.thread_pages import whole
from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.domain.errors import BadField, Refused
from cackled.domain.page_links import site_page
from cackled.domain.site import Site
from cackled.languages import LANGUAGES, Words, accepted
from cackled.products.comments.notices.letters import WORDS
from cackled.products.comments.notices.links import NoticeLink, NoticeLinks
from cackled.products.comments.notices.returned import MOST, read_report
from cackled.products.comments.notices.service import KINDS, Followed, Follower, Followers, hash_of
from cackled.products.comments.notices.worker import SCRIPT
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

log = Logger()

LIMIT = "comments.follow"
MOST_FORM = 32_768
ENDONYMS = {
    "en": "English", "ru": "Русский", "uk": "Українська", "de": "Deutsch", "fr": "Français", "es": "Español",
    "pt": "Português", "it": "Italiano", "pl": "Polski", "tr": "Türkçe", "ja": "日本語", "zh": "中文", "ar": "العربية",
    "he": "עברית",
}  # fmt: skip
_HEADERS = [(b"cache-control", b"no-store")]
_SCRIPT = [
    (b"content-type", b"text/javascript; charset=utf-8"), (b"cache-control", b"public, max-age=3600"),
    (b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"cross-origin"),
]  # fmt: skip
# Whoever has the address may use it, so no Referer may reveal it.
_PRIVATE = (b"referrer-policy", b"no-referrer")


class NoticePages(AsyncResource):
    """All of it."""

    takes_rest = True

    def __init__(self, context: ApiContext, links: NoticeLinks) -> None:
        super().__init__(self.answer, (b"GET", b"HEAD", b"POST"))
        self._context = context
        self._links = links

    async def answer(self, request: Request) -> Response:
        """A page, or what became of a report."""
        path = [one.decode("utf-8", "replace") for one in request.postpath or ()]
        context = self._context
        try:
            context.limits.take(LIMIT, context.client_address(request), 0)
            if path == ["push.js"]:
                return Response(200, _SCRIPT, SCRIPT.encode())
            if path == ["returned"]:
                return await self._returned(request)
            if len(path) != 2 or not (path[0].isascii() and path[0].isdigit() and len(path[0]) < 11):
                return problem(404)
            steps: dict[str, Callable[[_Visit], Any]] = {
                "confirm": self._confirm, "stop": self._stop, "settings": self._settings,
            }  # fmt: skip
            site, step = context.sites.find(int(path[0])), steps.get(path[1])
            if site is None or step is None:
                return problem(404)
            tokens = request.args.get(b"token", [])
            link = await self._links.read(tokens[0].decode("latin-1")) if len(tokens) == 1 else None
            asked = request.getHeader(b"accept-language")
            heard = None if asked is None else asked.decode("latin-1")
            words = WORDS.words(accepted(heard, site.settings.language))
            if link is None or link.site != site.id or link.errand != path[1]:
                return _page(words, 410, words("dead"), f"<p>{escape(words('deadText'))}</p>")
            followers = context.service(Followers, site)
            follower = await followers.find(link.visitor)
            if asked is None:
                words = WORDS.words(_known(follower.language, words))
            return await step(_Visit(request, site, link, followers, follower, words))
        except Refused as error:
            return refusal(error)
        except DatabaseError:
            return unavailable()

    async def _confirm(self, visit: _Visit) -> Response:
        words, name = visit.words, visit.site.name
        if not visit.posted:
            text = words("confirmText", site=name)
            return visit.ask(words("confirmSubject", site=name), text, words("confirmButton"))
        if not await visit.followers.confirm(visit.link.visitor, visit.link.email):
            return _page(words, 410, words("dead"), f"<p>{escape(words('deadText'))}</p>")
        settings = await self._links.token(NoticeLink(visit.site.id, visit.link.visitor, "settings"))
        target = f"settings?{urlencode({'token': settings})}"
        return _page(
            words, 200, words("confirmed"),
            f'<p>{escape(words("confirmedText", site=name))}</p>'
            f'<p><a href="{escape(target)}">{escape(words("settings"))}</a></p>',
        )  # fmt: skip

    async def _stop(self, visit: _Visit) -> Response:
        words, name = visit.words, visit.site.name
        if not visit.posted:
            return visit.ask(words("stopAsk", site=name), words("stopText"), words("stop"))
        await visit.followers.stop(visit.link.visitor)
        return _page(words, 200, words("stopped"), f"<p>{escape(words('stoppedText', site=name))}</p>")

    async def _settings(self, visit: _Visit) -> Response:
        words, followers, visitor = visit.words, visit.followers, visit.link.visitor
        told, wrong = "", ""
        if visit.posted:
            sent = _form(visit.request)
            try:
                kind, _, target = sent.get("leave", "").partition(":")
                if kind in KINDS and target.isascii() and target.isdigit() and int(target[:20]) < 2**63:
                    await followers.leave(visitor, kind, int(target))
                elif sent.get("leave") == "all":
                    await followers.leave_all(visitor)
                else:
                    await followers.change(visitor, _wanted(visit.follower, sent))
                told = words("saved")
            except BadField:
                wrong = words("zoneWrong")
            visit.follower = await followers.find(visitor)
            if visit.follower.language != visit.words.language and not wrong:
                words = visit.words = WORDS.words(_known(visit.follower.language, visit.words))
                told = words("saved")
        found = await followers.followed(visitor, ReadPreference.PRIMARY)
        note = f'<p role="status">{escape(told)}</p>' if told else ""
        note += f'<p class="mc-wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
        title = words("settingsOf", site=visit.site.name)
        inner = note + _settings_form(words, visit.follower) + _follows_form(words, visit.site, found)
        return _page(words, 422 if wrong else 200, title, inner)

    async def _returned(self, request: Request) -> Response:
        """Stop mail to whom a report is about. What is none of ours is taken as well: its sender can't mend it."""
        if request.method != b"POST":
            return problem(405, headers=[(b"allow", b"POST")])
        raw = b"" if request.content is None else request.content.read(MOST)
        report = read_report(raw)
        count = 0
        for name in () if report is None else report.names:
            letter = await self._links.named(name)
            site = None if letter is None else self._context.sites.find(letter.site)
            if letter is None or site is None or report is None:
                continue
            followers = self._context.service(Followers, site)
            follower = await followers.find(letter.visitor)
            hashed = hash_of(follower.email)
            if follower.email and hashed.hex().startswith(letter.email):
                await followers.returned(letter.visitor, hashed, report.reason)
                log.info("mail to a follower of site {site} {reason}", site=site.id, reason=report.reason)
                count += 1
        return Response(200, [(b"content-type", b"text/plain"), *_HEADERS], b"%d\n" % count)


class _Visit:
    """One call of a page."""

    def __init__(
        self, request: Request, site: Site, link: NoticeLink, followers: Followers, follower: Follower, words: Words
    ) -> None:
        self.request = request
        self.site = site
        self.link = link
        self.followers = followers
        self.follower = follower
        self.words = words
        self.posted = request.method == b"POST"

    def ask(self, title: str, text: str, button: str) -> Response:
        """A page that asks before it does something; the form sends the same address."""
        form = f'<form method="post"><p><button class="mc-main">{escape(button)}</button></p></form>'
        return _page(self.words, 200, title, f"<p>{escape(text)}</p>{form}")


def _page(words: Words, status: int, title: str, inner: str) -> Response:
    answer = whole(words, title, f"<h1>{escape(title)}</h1>{inner}", status=status, headers=_HEADERS)
    answer.headers = [_PRIVATE if name == b"referrer-policy" else (name, value) for name, value in answer.headers]
    return answer


def _known(name: str, words: Words) -> Any:
    return next((one for one in LANGUAGES if one == name), words.language)


def _form(request: Request) -> dict[str, str]:
    raw = b"" if request.content is None else request.content.read(MOST_FORM)
    try:
        found = parse_qs(raw.decode("utf-8", "replace"), max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _wanted(before: Follower, sent: dict[str, str]) -> Follower:
    """The settings that a form asks for; what it can't ask for stays."""
    digest = sent.get("digest", before.digest)
    language = sent.get("language", before.language)
    zone = sent.get("zone", before.zone)[:64]
    if "\0" in zone:
        raise BadField("There is no such time zone.", field="zone")
    return replace(
        before,
        digest=digest if digest in ("off", "soon", "hourly", "daily") else before.digest,
        language=language if language in LANGUAGES else before.language,
        replies=sent.get("replies") == "1",
        zone=zone or "UTC",
        quiet_from=_hour(sent.get("from", ""), before.quiet_from),
        quiet_to=_hour(sent.get("to", ""), before.quiet_to),
    )


def _hour(text: str, before: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 and int(text) < 24 else before


def _settings_form(words: Words, follower: Follower) -> str:
    digests = [(one, words(f"digest{one.title()}")) for one in ("off", "soon", "hourly", "daily")]
    hours = [(str(one), f"{one:02}:00") for one in range(24)]
    checked = " checked" if follower.replies else ""
    address = f'<p dir="auto">{escape(follower.email)}</p>' if follower.email else ""
    state = words(follower.email_state) if follower.email_state in ("asked", "bounced", "complained") else ""
    return (
        f'{address}{f"<p>{escape(state)}</p>" if state else ""}<form method="post">'
        f'{_choice(words("letters"), "digest", digests, follower.digest)}'
        f'<label><span><input type="checkbox" name="replies" value="1"{checked}> '
        f'{escape(words("replies"))}</span></label>'
        f'<div class="mc-row">{_choice(words("quietFrom"), "from", hours, str(follower.quiet_from))}'
        f'{_choice(words("quietTo"), "to", hours, str(follower.quiet_to))}</div>'
        f'<label>{escape(words("zone"))}<input name="zone" maxlength="64" value="{escape(follower.zone)}"></label>'
        f'{_choice(words("language"), "language", list(ENDONYMS.items()), follower.language)}'
        f'<p class="mc-row"><button class="mc-main">{escape(words("save"))}</button></p></form>'
    )


def _choice(label: str, name: str, options: list[tuple[str, str]], chosen: str) -> str:
    inner = "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options
    )
    return f'<label>{escape(label)}<select name="{name}">{inner}</select></label>'


def _follows_form(words: Words, site: Site, found: list[Followed]) -> str:
    head = f"<h2>{escape(words('follows'))}</h2>"
    if not found:
        return f'{head}<p class="mc-quiet">{escape(words("nothing"))}</p>'
    rows = ""
    for one in found:
        url = site_page(site, one.url)
        name = escape(one.name or one.key or str(one.target))
        shown = f'<a href="{escape(url)}">{name}</a>' if url else name
        rows += (
            f'<li class="mc-row"><span dir="auto">{shown}</span>'
            f'<button name="leave" value="{one.kind}:{one.target}">{escape(words("leave"))}</button></li>'
        )
    every = f'<p><button name="leave" value="all">{escape(words("leaveAll"))}</button></p>' if len(found) > 1 else ""
    return f'{head}<form method="post"><ol>{rows}</ol>{every}</form>'
