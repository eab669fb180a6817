"""The published rules for structured data of conversations, as a checker: schema.org's types, and what search engines
ask of ``DiscussionForumPosting`` and ``Comment`` (Google, "Discussion forum structured data").

Required: author with a name, datePublished (ISO 8601 with an offset), and one of text, image, video. Members must be
ones that schema.org gives the type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_URL = re.compile(r"https?://[^\s<>\"]+")
_WORK = {
    "@type", "@id", "author", "datePublished", "dateModified", "text", "image", "video", "url", "comment",
    "commentCount", "interactionStatistic", "creativeWorkStatus", "headline", "inLanguage", "sharedContent",
    "mainEntityOfPage", "isPartOf", "name", "upvoteCount", "downvoteCount", "parentItem",
}  # fmt: skip
MEMBERS = {
    "DiscussionForumPosting": _WORK | {"@context"},
    "Comment": _WORK,
    "Person": {"@type", "name", "url", "image"},
    "Organization": {"@type", "name", "url", "logo"},
    "WebPage": {"@type", "url", "name"},
    "InteractionCounter": {"@type", "interactionType", "userInteractionCount"},
    "LikeAction": {"@type"}, "DislikeAction": {"@type"}, "CommentAction": {"@type"}, "ViewAction": {"@type"},
}  # fmt: skip


def violations(data: Any) -> list[str]:
    """What is against the rules in a document."""
    found = [] if data.get("@context") == "https://schema.org" else ["@context is not schema.org"]
    if data.get("@type") != "DiscussionForumPosting":
        found.append("it is no DiscussionForumPosting")
    return [*found, *_look(data, "$")]


def _look(node: Any, at: str) -> Iterator[str]:
    kind = node.get("@type")
    if kind not in MEMBERS:
        yield f"{at}: there is no type {kind}"
        return
    for name in node.keys() - MEMBERS[kind]:
        yield f"{at}: {kind} has no {name}"
    for name, value in node.items():
        if value in (None, "", []):
            yield f"{at}.{name} is empty"
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(one, dict):
                yield from _look(one, f"{at}.{name}[{number}]")
    if kind in ("DiscussionForumPosting", "Comment"):
        author = node.get("author")
        if not isinstance(author, dict) or not author.get("name") or author["@type"] not in ("Person", "Organization"):
            yield f"{at}: no author with a name"
        if not isinstance(node.get("datePublished"), str) or not _TIME.fullmatch(node["datePublished"]):
            yield f"{at}: datePublished is no time with an offset"
        if not any(node.get(name) for name in ("text", "image", "video")):
            yield f"{at}: one of text, image, video"
        if node.get("creativeWorkStatus", "Deleted") != "Deleted":
            yield f"{at}: creativeWorkStatus is Deleted or left out"
        if not isinstance(node.get("text", ""), str):
            yield f"{at}: text is a text"
    for name in ("url", "mainEntityOfPage"):
        if name in node and not _URL.fullmatch(node[name]):
            yield f"{at}.{name} is no whole address"
    if kind == "InteractionCounter" and not (isinstance(node.get("userInteractionCount"), int)
                                             and node["userInteractionCount"] >= 0):  # fmt: skip
        yield f"{at}: userInteractionCount"


class Page(HTMLParser):
    """What a page has: links, structured data, forms with their fields, text; and what is wrong in how it nests."""

    VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[dict[str, str]] = []
        self.metas: list[dict[str, str]] = []
        self.forms: list[dict[str, Any]] = []
        self.buttons: list[dict[str, str]] = []
        self.data: list[Any] = []
        self.text = ""
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._script = ""
        self._area: dict[str, str] | None = None
        self.feed(text)
        self.close()
        self.wrong += [f"{one} is not closed" for one in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in self.VOID:
            self._open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag in ("a", "link"):
            self.links.append({"tag": tag, **given})
        elif tag == "meta":
            self.metas.append(given)
        elif tag == "form":
            self.forms.append({**given, "fields": {}})
        elif tag == "button":
            self.buttons.append(given)
        elif tag == "input" and self.forms and given.get("type") != "checkbox":
            self.forms[-1]["fields"][given["name"]] = given.get("value", "")
        elif tag == "textarea":
            self.forms[-1]["fields"][given["name"]] = ""
            self._area = given
        elif tag == "script":
            self._script = given.get("type", "text/javascript")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes another")
        if tag == "textarea" and self._area is not None:
            fields = self.forms[-1]["fields"]
            fields[self._area["name"]] = fields[self._area["name"]].removeprefix("\n")
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.data.append(json.loads(data) if self._script == "application/ld+json" else None)
        elif self._area is not None:
            self.forms[-1]["fields"][self._area["name"]] += data
        elif not self._open or self._open[-1] != "style":
            self.text += data

    def relation(self, name: str) -> str:
        """Where the link of a relation in the head leads, or ``""``."""
        return next((one["href"] for one in self.links if one["tag"] == "link" and one["rel"] == name), "")
