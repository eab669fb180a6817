"""Random trees, written as every system writes them, come out as they went in; and again from our own exports."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.importing.foreign_markdown import own_markdown
from cackled.importing.jsonp import unwrapped
from cackled.importing.source import Source
from cackled.products.comments.exporting import EXPORTS
from cackled.products.comments.importing.writer import STATES
from tests.products.comments.importing.common import FORMATS, ImportCase
from tests.products.comments.importing.tree_writers import HOST, Comment, TreeFormat, formats
from tests.support.growth import check_growth

# What some Markdown, HTML, XML or JSON would take for something else.
_WORDS = (
    "word", "naïve", "日本語", "🙂", "a<b>c", "x & y", "&amp;", "*star*", "_under_", "[link](x)", "# 1", "> quoted",
    "5. five", '"said"', "it's", "]]>", "<!--", "`code`", "$x$", "\\", "- dash", "www", "@ann", "~~no~~",
    "{}", "%s", 'cb({"a":1});', '\\"',
)  # fmt: skip
_TEXTS = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6).map(" ".join)
_NAMES = st.sampled_from(("Ann", "Bob <b>", "Zoë & Co", "李", "O'Neil"))
_PAGES = ("/a", "/b/c")
_TAG = re.compile(r"<[^>]*>")


@st.composite
def _forests(draw: st.DrawFn) -> tuple[list[Comment], list[int]]:
    """Comments on two pages, and an order to write them in."""
    made: list[Comment] = []
    for n in range(draw(st.integers(1, 14))):
        page = draw(st.sampled_from(_PAGES))
        there = [one.number for one in made if one.page == page]
        parent = draw(st.sampled_from([-1, *there]))
        made.append(Comment(
            n, page, parent, draw(_NAMES), draw(_TEXTS), draw(st.sampled_from(sorted(STATES))), draw(st.integers(0, 9)),
            draw(st.integers(0, 9)),
        ))  # fmt: skip
    return made, draw(st.permutations(range(len(made))))


def tree(comments: list[Comment], parent: int = -1) -> list[Any]:
    """What of them is below *parent*: name, words, state, votes, answers."""
    return [
        (
            "" if one.state == "deleted" else one.name, "" if one.state == "deleted" else " ".join(one.text.split()),
            STATES[one.state], (one.up, one.down), tree(comments, one.number),
        )
        for one in comments if one.parent == parent
    ]  # fmt: skip


def flat(pages: dict[str, list[Any]]) -> Iterator[str]:
    """Trees as lines."""

    def lines(nodes: list[Any], depth: int) -> Iterator[str]:
        for *one, replies in nodes:
            yield f"{'  ' * depth}{one}"
            yield from lines(replies, depth + 1)

    for page in sorted(pages):
        yield page
        yield from lines(pages[page], 0)


class TextTests(SynchronousTestCase):
    """What other systems' texts mean in ours."""

    def test_markdown(self) -> None:
        """Escapes and entities are what they show; strong words stay strong; code and addresses are left alone."""
        for text, wanted in (
            ("1\\. a \\@b \\\\ c\\|d \\*e\\*", "1. a @b \\ c|d \\*e\\*"), ("\\> no quote \\> x", "\\> no quote > x"),
            ("AT&amp;T &lt;b&gt; &#42;x&#x2a; &nbsp;y &bogus; &#0;", "AT&T \\<b> \\*x\\*  y &bogus; \ufffd"),
            ("__so__ and __init__.py, a__b__c __x &amp; y__", "**so** and **init**.py, a__b__c **x & y**"),
            ("`\\. &amp; __x__` ```\n&lt;\n``` [a\\.](https://e.example/a__b__c?x=1&amp;y=\\_) https://e.example/__a__?b&amp;c",
             "`\\. &amp; __x__` ```\n&lt;\n``` [a.](https://e.example/a__b__c?x=1&amp;y=\\_) https://e.example/__a__?b&amp;c"),
            ("plain", "plain"),
        ):  # fmt: skip
            self.assertEqual(own_markdown(text), wanted)
        self.assertEqual(own_markdown("\\$x\\$", math=True), "\\$x\\$")
        for piece in ("&", "__a ", "\\", "`", "``a`", "<a ", "](", "__", "&#", "www.", "~~~ "):
            text = piece * 80_000
            check_growth(self, lambda size, text=text: own_markdown("\\. " + text[:size]), 80_000, piece)

    def test_calls(self) -> None:
        """Values are taken out of calls, however these stand, and whatever texts hold."""
        inner = [{"a": '}); x({"b', "b": "\\\\"}, [1, {"c": []}], {"d": "é" * 70_000 + "\\"}]
        path = Path(self.mktemp())
        text = ";".join(f"cb({json.dumps(one, ensure_ascii=False)})" for one in inner)
        path.write_text(text + " other (\n" + json.dumps(inner, indent=1) + "\n);")
        with unwrapped(Source(path)) as plain, plain.open() as file:
            found = file.read().decode()
        decode, values = json.JSONDecoder().raw_decode, []
        while found := found.strip():
            value, end = decode(found)
            values.append(value)
            found = found[end:]
        self.assertEqual(values, [*inner, inner])


class TreeTests(ImportCase):
    """Every format that has trees."""

    timeout = 300

    def test_all_formats_are_here(self) -> None:
        """Follows are no trees; all other formats are written."""
        self.assertEqual({one.name for one in formats()}, set(FORMATS) - {"follows-jsonl"})

    def test_same_trees(self) -> Deferred[None]:
        """In any order of the file: each comment once, at its place, with its words, state and votes."""
        cases: list[tuple[list[Comment], list[int]]] = []

        @settings(max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(_forests())
        def gather(case: tuple[list[Comment], list[int]]) -> None:
            cases.append(case)

        gather()
        return ensureDeferred(self._check(cases))

    async def _check(self, cases: list[tuple[list[Comment], list[int]]]) -> None:
        for comments, order in cases:
            for number, format in enumerate(formats()):
                self._empty()
                known = [format.known(one) for one in comments]
                said = f"{format.name} {number} of {comments} in order {order}"
                content = format.write([known[n] for n in order])
                report = await self.bring(format.name, content, label=str(number), host=HOST)
                self.assertEqual((report.added, report.left, report.changed), (len(known), {}, {}), said)
                self._compare(known, said)
                self.check_sound()
            await self._exports(comments)

    async def _exports(self, comments: list[Comment]) -> None:
        """Out as our own lines, as WordPress' and as Disqus' export, and in again."""
        for name in ("jsonl", "wxr", "disqus"):
            format: TreeFormat = next(one for one in formats() if one.name == name)
            known = [format.known(one) for one in comments]
            self._empty()
            first: TreeFormat = next(one for one in formats() if one.name == "cackle")
            await self.bring("cackle", first.write(known), label="first", host=HOST)
            export = next(one for one in EXPORTS if one.name == name)
            lines = b"".join([part async for part in export.write(self.database, self.site, HOST)])
            self._empty()
            await self.bring(name, lines, label="again", host=HOST)
            self._compare(known, f"our own {name} of {comments}")
            self.check_sound()

    def _empty(self) -> None:
        for table in ("comment", "channel", "comment_channel", "import_item", "import_author", "import_run"):
            self.sql(f"delete from {table}")

    def _compare(self, comments: list[Comment], said: str) -> None:
        rows = self.sql("select id, html from comment")
        words = {id: " ".join(html.unescape(_TAG.sub(" ", text)).split()) for id, text in rows}
        found = {key: [self._plain(one, words) for one in roots] for key, roots in self._trees().items()}
        wanted = {page: tree([one for one in comments if one.page == page]) for page in {one.page for one in comments}}
        self.assertEqual(list(flat(found)), list(flat(wanted)), said)

    def _plain(self, one: Any, words: dict[int, str]) -> Any:
        id, name, status, votes, replies = one
        return name, words[id], status, votes, [self._plain(reply, words) for reply in replies]

    def _trees(self) -> dict[str, list[Any]]:
        """As `tree`, with the number of each comment, by the path of its page."""
        rows = self.sql(
            "select h.url, h.key, c.id, c.parent_id, c.author_name, c.status, c.up, c.down from comment c "
            "join channel h on h.site_id = c.site_id and h.id = c.channel_id where c.site_id = 1 order by c.id"
        )
        made: dict[int, Any] = {}
        found: dict[str, list[Any]] = {}
        for url, key, id, parent, name, status, up, down in rows:
            one = (id, name, status, (up, down), [])
            made[id] = one
            path = "/" + (url or key).removeprefix(HOST).strip("/")
            (found.setdefault(path, []) if parent is None else made[parent][4]).append(one)
        return found
