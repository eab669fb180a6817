"""The small Markdown of comments: what is typed stays readable as it was typed, at a bounded cost.

It differs from CommonMark where that swallows what people type: a number begins a list only if it counts up from
``1.``; what stands directly below a quote or a list, without its mark, is not in it; entities are no markup, and a
backslash is one only before a mark; what stands beside a fence and is no language is code; ``*`` and ``_`` within
words and numbers are themselves.

The parser tries every ``[`` by reading on to its end, which is quadratic at worst: `TooMuch` ends that.
"""

from __future__ import annotations

import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.ruler import Ruler
from markdown_it.rules_block import StateBlock, blockquote, fence, list_block
from markdown_it.rules_inline import (
    StateInline,
    autolink,
    backtick,
    emphasis,
    fragments_join,
    link,
    link_pairs,
    newline,
    strikethrough,
    text,
)
from markdown_it.rules_inline.state_inline import Delimiter

from cackled.domain import links
from cackled.domain.formulas import MOST_TEX

# Of one text so many addresses are links: each takes eight times its own length in HTML.
MOST_LINKS = 100
# How often the parser may look at a token: for each character of the text, and at least.
WORK = 2
LEAST_WORK = 1000
# How many marks (list items, quotes, stars, backticks; brackets count thrice) or lines make it noise.
MOST_MARKS = 1000
MOST_LINES = 1000
# How deep elements may lie in each other: the sanitiser takes time that is quadratic in that.
MOST_DEPTH = 30


class TooMuch(Exception):
    """The text would take more work than its length allows."""


def _spend(state: StateInline | StateBlock, marks: int = 1) -> None:
    state.env["marks"] -= marks
    if state.env["marks"] < 0:
        raise TooMuch


class _Inline(ParserInline):
    """Our rules; `skipToken`, which is called again and again for the same characters, is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.ruler = Ruler()
        for name, rule in (
            ("text", text),
            ("address", _address),
            ("newline", newline),
            ("escape", _escape),
            ("backticks", _backticks),
            ("strikethrough", _strike),
            ("emphasis", _emphasis),
            ("spoiler", _spoiler),
            ("math", _math),
            ("mention", _mention),
            ("link", _link),
            ("autolink", _autolink),
        ):
            self.ruler.push(name, rule)
        self.ruler2 = Ruler()
        for name, pairs in (
            ("balance_pairs", link_pairs),
            ("strikethrough", strikethrough.postProcess),
            ("emphasis", emphasis.postProcess),
            ("fragments_join", fragments_join),
        ):
            self.ruler2.push(name, pairs)
        self.terminator_re = re.compile(rf"[\n*_~`\[\]\\<$]|\|\||{links.BEGINNING}", re.IGNORECASE)

    def skipToken(self, state: StateInline) -> None:
        """As the parser's own."""
        state.env["work"] -= 1
        if state.env["work"] < 0:
            raise TooMuch
        super().skipToken(state)


def _address(state: StateInline, silent: bool) -> bool:
    """An address that stands in the text."""
    if state.linkLevel or state.src[state.pos] not in "hHwWmM":
        return False
    found = links.find(state.src, state.pos)
    if found is None or found.end > state.posMax:
        return False
    if not silent:
        state.env["links"] -= 1
        if state.env["links"] < 0:
            state.append_pending(state.src[state.pos : found.end])
        else:
            state.push("link_open", "a", 1).attrs = {"href": found.href}
            state.push("text", "", 0).content = found.shown
            state.push("link_close", "a", -1)
    state.pos = found.end
    return True


# What a backslash takes its meaning from, and what only at the beginning of a line.
_MARKS = "*_~`[]<"
_LINE_MARKS = ">-"
_LINE_BEGINS = re.compile(r"(?:\A|\n) *\Z")


def _escape(state: StateInline, silent: bool) -> bool:
    """A backslash before a mark."""
    at, source = state.pos, state.src
    if source[at] != "\\" or at + 1 >= state.posMax:
        return False
    mark = source[at + 1]
    if mark in _LINE_MARKS:
        if _LINE_BEGINS.search(source[max(0, at - 8) : at] if at > 8 else source[:at]) is None:
            return False
    elif mark not in _MARKS and not (mark == "$" and state.env["math"]):
        return False
    if not silent:
        _spend(state)
        token = state.push("text_special", "", 0)
        token.content = "\\_" if mark == "_" and source[at - 1 : at] == "\u00af" else mark  # the shrug
        token.markup = "\\" + mark
        token.info = "escape"
    state.pos += 2
    return True


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Stars and single underscores around words."""
    at, source = state.pos, state.src
    mark = source[at]
    if silent or mark not in "*_":
        return False
    _spend(state)
    # Writing without spaces has marks within what would be a word.
    before = source[at - 1 : at] < "\u2e80"
    scanned = state.scanDelims(at, mark == "*" and not (before and _within(state, at, mark)))
    if scanned.length > (3 if mark == "*" else 1):  # a line of stars, __init__
        state.append_pending(mark * scanned.length)
    else:
        for _ in range(scanned.length):
            state.push("text", "", 0).content = mark
            token = len(state.tokens) - 1
            state.delimiters.append(
                Delimiter(ord(mark), scanned.length, token, -1, scanned.can_open, scanned.can_close)
            )
    state.pos += scanned.length
    return True


def _strike(state: StateInline, silent: bool) -> bool:
    """Two tildes around words."""
    if silent or not state.src.startswith("~~", state.pos):
        return False
    _spend(state)
    end = state.pos + 2
    while end < state.posMax and state.src[end] == "~":
        end += 1
    if end - state.pos == 2:
        return strikethrough.tokenize(state, silent)
    state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _spoiler(state: StateInline, silent: bool) -> bool:
    """``||words||``: hidden until somebody wants to see them. There is none within another."""
    at, source = state.pos, state.src
    if not source.startswith("||", at):
        return False
    end = source.find("||", at + 2, state.posMax)
    inner = source[at + 2 : end] if end > 0 else ""
    if not inner or inner != inner.strip() or inner.startswith("|") or "\n\n" in inner:
        return False
    if not silent:
        _spend(state)
        state.push("spoiler_open", "span", 1).attrs = {"class": "spoiler"}
        most, state.pos, state.posMax = state.posMax, at + 2, end
        state.md.inline.tokenize(state)
        state.push("spoiler_close", "span", -1)
        state.posMax = most
    state.pos = end + 2
    return True


def _math(state: StateInline, silent: bool) -> bool:
    """``$x^2$``, and ``$$x^2$$`` on a line of its own, where the site has formulas. Sums of money are none."""
    at, source = state.pos, state.src
    if source[at] != "$" or not state.env["math"]:
        return False
    block = source.startswith("$$", at)
    found = (_DISPLAYED if block else _FORMULA).match(source, at, state.posMax)
    if found is None:
        return False
    if not silent:
        _spend(state)
        token = state.push("code_inline", "code", 0)
        token.content = found[1].strip()
        token.attrs = {"class": "language-math-display" if block else "language-math"}
    state.pos = found.end()
    return True


# Beside the dollars within stands no space, and no digit behind the last: "from $5 to $10" is none.
_FORMULA = re.compile(
    rf"\$(?![\s$])((?:[^$\\]|\\.){{1,{MOST_TEX}}}?)(?<!\s)\$(?![\d$])", re.DOTALL
)
_DISPLAYED = re.compile(rf"\$\$((?:[^$\\]|\\.){{1,{MOST_TEX}}})\$\$", re.DOTALL)


def _backticks(state: StateInline, silent: bool) -> bool:
    """Code within a line."""
    if state.src[state.pos] != "`":
        return False
    if not silent:
        _spend(state)
    return backtick(state, silent)


def _autolink(state: StateInline, silent: bool) -> bool:
    """An address in angle brackets."""
    if state.src[state.pos] != "<" or state.linkLevel or state.env["links"] <= 0:
        return False
    if not autolink(state, silent):
        return False
    if not silent:
        state.env["links"] -= 1
    return True


def _within(state: StateInline, at: int, mark: str) -> bool:
    end = at
    while end < state.posMax and state.src[end] == mark:
        end += 1
    return end < state.posMax and state.src[end] < "\u2e80"


def _link(state: StateInline, silent: bool) -> bool:
    """``[text](address)``. Where the text names another host than the address leads to, the true one is added."""
    at, source = state.pos, state.src
    if source[at] != "[" or source.rfind("](", at, state.posMax) < 0 or state.linkLevel or state.env["links"] <= 0:
        return False
    first = len(state.tokens)
    if not silent:
        _spend(state, 3)
    if not link(state, silent):
        return False
    if not silent:
        state.env["links"] -= 1
        opened = next(token for token in state.tokens[first:] if token.type == "link_open")
        host = links.host_of(str(opened.attrs["href"]))
        words = "".join(token.content for token in state.tokens[first:])
        if not links.names(words, host):
            state.append_pending(f" ({host})")
    return True


_MENTION = re.compile(r"\[([^\[\]\n]{1,80})\]\(visitor:([1-9]\d{0,18})\)", re.ASCII)


def _mention(state: StateInline, silent: bool) -> bool:
    """``@[Ann](visitor:12)``: the name of a visitor, whose number is kept beside it."""
    at, source = state.pos, state.src
    if source[at] != "[" or source[at - 1 : at] != "@" or state.linkLevel:
        return False
    found = _MENTION.match(source, at, state.posMax)
    if found is None:
        return False
    if not silent:
        _spend(state)
        if state.env["mentions"] and state.pending.endswith("@"):
            state.pending = state.pending[:-1]
            state.push("mention_open", "span", 1).attrs = {"class": f"mention-{found[2]}"}
            state.push("text", "", 0).content = f"@{found[1]}"
            state.push("mention_close", "span", -1)
        else:
            state.append_pending(found[1])
    state.pos = found.end()
    return True


_ORDERED = re.compile(r"(\d{1,9})[.)](?=[ \t\n]|\Z)")
_BULLET = re.compile(r"[*-](?=[ \t\n]|\Z)")
_LANGUAGE = re.compile(r"[\w+#.-]*")


def _list(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Lists that begin with ``-``, ``*`` or ``1.``."""
    begins = state.bMarks[first] + state.tShift[first]
    number = _ORDERED.match(state.src, begins)
    if number is None:
        if not _BULLET.match(state.src, begins):
            return False
        _spend(state)
        return list_block(state, first, last, silent)
    if number[0] != "1.":
        return False
    counts: list[int] = state.env["counts"]
    _spend(state)
    if silent:
        return list_block(state, first, last, True)
    counts.append(1)
    try:
        return list_block(state, first, last, False)
    finally:
        counts.pop()


def _list_ends(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """Asked before each further item of a list: it ends where the numbers don't count up."""
    if not silent:
        return False
    _spend(state)
    number = _ORDERED.match(state.src, state.bMarks[line] + state.tShift[line])
    if number is None or not state.env["counts"]:
        return number is not None
    if number[0] != f"{state.env['counts'][-1] + 1}.":
        return True
    state.env["counts"][-1] += 1
    return False


def _quote_ends(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """Asked for each line below a quote that has no mark of its own."""
    return silent


def _paragraph_ends(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """Asked for each line of a paragraph: it ends before a list, quote or code.

    A line that is not indented as its list item is not in it.
    """
    if not silent:
        return False
    if state.sCount[line] < state.blkIndent:
        return True
    mark = state.src[state.bMarks[line] + state.tShift[line]]
    if mark in "-*1":
        return _list(state, line, last, True)
    return mark == ">" or (mark in "`~" and _code(state, line, last, True))


def _quote(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Lines that begin with ``>``."""
    if not state.src.startswith(">", state.bMarks[first] + state.tShift[first]):
        return False
    _spend(state)
    return blockquote(state, first, last, silent)


def _code(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Code between fences. What stands beside the first and is no language is the first line of the code."""
    begins, ends = state.bMarks[first] + state.tShift[first], state.eMarks[first]
    if not state.src.startswith(("```", "~~~"), begins) or "~" in state.src[begins:ends].lstrip("~"):
        return False
    if not fence(state, first, last, silent):
        return False
    if not silent:
        _spend(state)
        token = state.tokens[-1]
        beside = token.info.strip()
        if _LANGUAGE.fullmatch(beside) is None:
            token.content = f"{beside}\n{token.content}"
            token.info = ""
        if not token.content.strip():
            # A fence around nothing would not be shown: it is text.
            state.tokens.pop()
            state.line = first
            return False
    return True


def _displayed(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """A formula between lines that begin and end with ``$$``: there may be anything between them."""
    begins = state.bMarks[first] + state.tShift[first]
    if not state.env["math"] or not state.src.startswith("$$", begins):
        return False
    for line in range(first, last):
        if line > first and state.sCount[line] < state.blkIndent and not state.isEmpty(line):
            return False
        begin = begins + 2 if line == first else state.bMarks[line] + state.tShift[line]
        end = state.src.find("$$", begin, state.eMarks[line])
        if state.eMarks[line] - begins > MOST_TEX:
            return False
        if end >= 0:
            break
    else:
        return False
    if state.src[end + 2 : state.eMarks[line]].strip():
        return False
    content = state.getLines(first, line + 1, state.blkIndent, False).strip()[2:-2].strip()
    if not content:
        return False
    if not silent:
        _spend(state)
        token = state.push("fence", "code", 0)
        token.info = "math"
        token.content = content
        token.map = [first, line + 1]
        state.line = line + 1
    return True


def _made() -> MarkdownIt:
    made = MarkdownIt("zero", {"breaks": True, "html": False, "maxNesting": 12})
    made.enable(["blockquote", "fence", "list"])
    made.inline = _Inline()
    block = made.block.ruler
    block.at("fence", _code, {"alt": ["list"]})
    block.at("blockquote", _quote, {"alt": ["list"]})
    block.at("list", _list)
    block.before("fence", "displayed", _displayed, {"alt": ["paragraph", "blockquote", "list"]})
    block.before("fence", "paragraph_ends", _paragraph_ends, {"alt": ["paragraph"]})
    block.before("fence", "quote_ends", _quote_ends, {"alt": ["blockquote"]})
    block.before("fence", "list_ends", _list_ends, {"alt": ["list"]})
    made.normalizeLink = lambda url: links.target(url) or ""  # type: ignore[method-assign]
    made.normalizeLinkText = links.display  # type: ignore[method-assign,assignment]
    made.validateLink = bool  # type: ignore[method-assign,assignment]
    return made


_markdown = _made()


def render(source: str, *, math: bool = False, mentions: bool = False) -> str:
    """*source* as HTML, not yet sanitised.

    *math*: what stands between dollars is a formula. *mentions*: the numbers of visitors who are mentioned are kept.

    Raises:
        TooMuch: it would take more work than its length allows, or lies too deep.
    """
    if source.count("\n") > MOST_LINES:
        raise TooMuch
    work = WORK * len(source) + LEAST_WORK
    env: dict[str, Any] = {
        "work": work, "links": MOST_LINKS, "marks": MOST_MARKS, "counts": [], "math": math, "mentions": mentions,
    }  # fmt: skip
    tokens = _markdown.parse(source, env)
    depth = 0
    for token in tokens:
        depth += token.nesting
        within = depth
        for child in token.children or ():
            within += child.nesting
            if within > MOST_DEPTH:
                raise TooMuch
    return str(_markdown.renderer.render(tokens, _markdown.options, env))
