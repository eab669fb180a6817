"""Markdown of other systems as that of ours, which knows fewer marks and no entities: words stay what they were."""

from __future__ import annotations

import re
from html import unescape

# The signs that a backslash escapes in ours. CommonMark escapes more: before those ours would show the backslash.
_OURS = "*_~`[]<"
_TOKEN = re.compile(
    # Code, elements of HTML, addresses, and where links lead: as they are.
    r"(?P<kept>```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!`)(?P<ticks>`++)[^`\n]+(?P=ticks)|<[a-zA-Z/!][^<>]{0,3000}>"
    r"|(?:https?://|www\.)[^\s<>]+|\]\([^()\n]{0,3000}\))"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});)"
    r"|(?<![\w\\])__(?=[^\s_])(?P<strong>[^\n]{1,200}?)(?<=[^\s_\\])__(?!\w)",
    re.DOTALL,
)
_LINE_BEGINS = re.compile(r"(?:\A|\n) *\Z")


def own_markdown(text: str, *, math: bool = False) -> str:
    """*text*, CommonMark, in our Markdown. *math*: a dollar may begin a formula."""
    if "\\" not in text and "&" not in text and "__" not in text:
        return text

    def made(found: re.Match[str]) -> str:
        if found["kept"]:
            return found[0]
        if found["strong"]:
            return f"**{_TOKEN.sub(made, found['strong'])}**"
        if found["entity"]:
            shown = unescape(found["entity"])
            # What is no entity is shown as it stands; none makes a mark, or a control character.
            if shown == found["entity"] or not shown.isprintable():
                return " " if shown == "\xa0" else found["entity"]
            return f"\\{shown}" if shown in _OURS else shown
        mark = found["escaped"]
        if mark in _OURS or (mark == "$" and math):
            return found[0]
        before = found.string[max(0, found.start() - 8) : found.start()]
        return found[0] if mark in ">-" and _LINE_BEGINS.search(before) else mark

    return _TOKEN.sub(made, text)
