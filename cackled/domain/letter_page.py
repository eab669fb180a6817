"""The frame of HTML letters: a card that reads well in light and dark, on a phone, and without pictures."""

from __future__ import annotations

from html import escape

from cackled.languages import Words

_FONT = "font:16px/1.5 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_STYLE = (
    ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    "@media(max-width:480px){.card{padding:20px 16px!important}.quiet{padding-inline:16px!important}}"
    "@media(prefers-color-scheme:dark){.page{background:#15171a!important}.card{background:#1f2226!important;"
    "border-color:#33383e!important}.text,.head{color:#e8eaed!important}.quiet,.quiet a{color:#a8b0b8!important}"
    ".said{border-color:#4b6cb7!important}.link{color:#9db8ff!important}.stars{color:#f2b04b!important}}"
)
# Styles of paragraphs: of the owner's own words at the beginning and at the end, and of ours.
INTRO = "margin:0 0 20px;color:#1c1f23"
FOOT = "margin:0 0 12px;color:#5f6770"


def letter_page(words: Words, title: str, body: str, foot: str) -> str:
    """The HTML of a letter in the language of *words*: *body* in a card, *foot* below it in small letters; both HTML.

    Text in the body has the class ``text``, links in the foot have ``link``, lines of stars have ``stars``: the
    dark colours are set by these.
    """
    return (
        f'<!doctype html>\n<html lang="{words.language}" dir="{words.direction}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f'<meta name="supported-color-schemes" content="light dark"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>"
        f'<body class="page" style="margin:0;padding:24px 12px;background:#f1f3f5;{_FONT}">'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:600px;margin:0 auto">'
        '<tr><td class="card" style="background:#ffffff;border:1px solid #e1e5e9;border-radius:12px;'
        f'padding:28px 32px 8px;{_FONT}">{body}</td></tr>'
        '<tr><td class="quiet" style="padding:16px 32px;color:#5f6770;font-size:13px;'
        f'line-height:1.6">{foot}</td></tr></table></body></html>\n'
    )
