"""Pages of signing in: a few words, sometimes a form, and the one that tells the page of the site that it is done.

Scripts and style are known by their hashes, and there are no others; nothing may put these pages into a frame.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from cackled.languages import Words
from cackled.transport.response import Response

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem;margin:0 0 .5rem}form{display:grid;gap:.75rem;margin:1rem 0}label{display:grid;gap:.25rem}"
    "input{font:inherit;padding:.5rem .6rem;min-height:44px;box-sizing:border-box;border:1px solid #8888;"
    "border-radius:8px}button{font:inherit;padding:.5rem 1.25rem;min-height:44px;border:0;border-radius:8px;"
    "background:#2458d3;color:#fff}"
    "button:focus-visible,input:focus-visible,a:focus-visible{outline:2px solid #6b93ff;outline-offset:2px}"
    ".wrong{color:#b3261e}@media(prefers-color-scheme:dark){.wrong{color:#ffb4ab}}"
)
# Tells the page that is waiting, and no other; without one, goes there.
_DONE = (
    "(function(){var b=document.body.dataset,o=null;try{o=window.opener}catch(e){}"
    "if(o&&b.popup){try{o.postMessage({type:'cackle:signed-in',code:b.code,challenge:b.challenge},b.origin)}catch(e){}"
    "window.close();setTimeout(function(){document.getElementById('more').hidden=false},400)}"
    "else{location.replace(b.back)}})()"
)
# Telegram gives its answer behind the #, where servers see nothing.
_TELEGRAM = (
    "(function(){var m=/tgAuthResult=([^&]*)/.exec(location.hash),f=document.forms[0];"
    "if(m){f.elements.tgAuthResult.value=decodeURIComponent(m[1]);f.submit()}})()"
)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _policy(script: str, form: str) -> bytes:
    scripts = f"script-src {_hash(script)}; " if script else ""
    return (
        f"default-src 'none'; style-src {_hash(_STYLE)}; {scripts}form-action {form}; frame-ancestors 'none'; "
        "base-uri 'none'"
    ).encode()


def page(
    status: int, words: Words, title: str, text: str, inner: str = "", *, script: str = "", data: str = "",
    anywhere: bool = False,
) -> Response:  # fmt: skip
    """A page; *inner* is HTML of ours, *data* attributes of its body. *anywhere*: its form may lead to a provider."""
    body = (
        f'<!doctype html>\n<html lang="{words.language}" dir="{words.direction}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<body{data}><main><h1>{escape(title)}</h1><p>{escape(text)}</p>{inner}</main>"
        f"{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-language", words.language.encode()),
        (b"cache-control", b"no-store"),
        (b"x-robots-tag", b"noindex"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", _policy(script, "'self' https:" if anywhere else "'self'")),
    ]
    return Response(status, headers, body.encode())


def failed(status: int, words: Words, reason: str, back: str) -> Response:
    """It did not work; *back* is the page that it began on, or ``""``."""
    more = f'<p><a href="{escape(back)}">{escape(words("back"))}</a></p>' if back else ""
    return page(status, words, words("failed"), words(reason), more)


def done(words: Words, origin: str, back: str, code: str, challenge: str, popup: bool) -> Response:
    """Signed in: the page that waits is told, or gone back to."""
    values = {"origin": origin, "back": back, "code": code, "challenge": challenge, "popup": "1" if popup else ""}
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in values.items())
    more = f'<p id="more" hidden><a href="{escape(back)}">{escape(words("back"))}</a></p>'
    return page(200, words, words("done"), words("doneText"), more, script=_DONE, data=data)


def ask_mail(words: Words, state: str, action: str, email: str = "", wrong: bool = False) -> Response:
    """Which address to write to."""
    inner = (
        (f'<p class="wrong" role="alert">{escape(words("mailWrong"))}</p>' if wrong else "")
        + f'<form method="post" action="{escape(action)}">{_hidden("state", state)}'
        f"<label>{escape(words('mailLabel'))}"
        f'<input name="email" type="email" autocomplete="email" maxlength="250" required value="{escape(email)}">'
        "</label>"
        f"<label>{escape(words('nameLabel'))}<input name=\"name\" autocomplete=\"nickname\" maxlength=\"60\"></label>"
        f"<button>{escape(words('mailSend'))}</button></form>"
    )
    return page(422 if wrong else 200, words, words("mailTitle"), words("mailText"), inner)


def ask_code(words: Words, handle: str, action: str, wrong: bool = False) -> Response:
    """The figures of the letter."""
    inner = (
        (f'<p class="wrong" role="alert">{escape(words("codeWrong"))}</p>' if wrong else "")
        + f'<form method="post" action="{escape(action)}">{_hidden("handle", handle)}'
        f"<label>{escape(words('codeLabel'))}"
        '<input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="12" required></label>'
        f"<button>{escape(words('codeSend'))}</button></form>"
    )
    return page(422 if wrong else 200, words, words("sentTitle"), words("sentText"), inner)


def confirm_link(words: Words, handle: str, key: str, action: str) -> Response:
    """Whether to sign in: programs that look at mail follow links, too."""
    inner = (
        f'<form method="post" action="{escape(action)}">{_hidden("handle", handle)}{_hidden("key", key)}'
        f"<button>{escape(words('codeSend'))}</button></form>"
    )
    return page(200, words, words("mailTitle"), words("linkText"), inner)


def ask_instance(
    words: Words, action: str, kept: dict[str, str], wrong: bool = False, *, title: str = "Mastodon",
    example: str = "mastodon.social",
) -> Response:  # fmt: skip
    """Which instance of a network."""
    inner = (
        (f'<p class="wrong" role="alert">{escape(words("instance"))}</p>' if wrong else "")
        + f'<form action="{escape(action)}">{"".join(_hidden(name, value) for name, value in kept.items())}'
        f"<label>{escape(words('instanceLabel'))}"
        '<input name="instance" autocapitalize="none" maxlength="253" '
        f'placeholder="{escape(example)}" required></label>'
        f"<button>{escape(words('codeSend'))}</button></form>"
    )
    return page(200, words, title, words("instanceText"), inner, anywhere=True)


def telegram(words: Words, action: str, state: str) -> Response:
    """Reads Telegram's answer."""
    inner = (
        f'<form method="post" action="{escape(action)}">{_hidden("state", state)}'
        '<input type="hidden" name="tgAuthResult" value="false">'
        f"<button>{escape(words('codeSend'))}</button></form>"
    )
    return page(200, words, "Telegram", words("going"), inner, script=_TELEGRAM)


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
