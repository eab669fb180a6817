"""A poll as a page for search engines and for readers without scripts.

It is what a stranger may see who has not voted: the same JSON that widgets get and caches keep, as text. There is no
form, and no structured data: schema.org's QAPage is for questions that readers answer in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from cackled.api.thread import Thread, ThreadPage, ThreadRender
from cackled.api.thread_pictures import pictures
from cackled.domain.page_facts import page_url
from cackled.domain.page_links import site_page
from cackled.languages import Catalogue, Words
from cackled.products.polls import answers
from cackled.products.polls.api import first_key
from cackled.products.polls.service import Polls

__all__ = ["THREAD"]

_WORDS = Catalogue(Path(__file__).parent / "web" / "locales", "widget")


class ThreadQuery(answers.PollQuery, frozen=True):
    """Which poll; ``url`` is the page of the site that it stands on."""

    url: str = ""


async def page(render: ThreadRender) -> ThreadPage:
    """The poll: its question, its options, and the numbers that everybody may see now."""
    loaded = await render.service(Polls).page(int(render.key), render.reading)
    poll = msgspec.json.decode(b"{" + loaded.value + b"}")["poll"]
    # A page of our own has the question as its heading.
    head = f'<h2 dir="auto">{escape(poll["question"])}</h2>' if render.fragment else ""
    return ThreadPage(
        title=poll["question"],
        html=head + poll_html(poll, _WORDS.words(render.language), render.base),
        seq=loaded.seq,
        url=site_page(render.site, page_url(render.query.url)),
    )


def poll_html(poll: Mapping[str, Any], words: Words, base: str = "") -> str:
    """A poll as HTML; *poll* is as a stranger sees it, with None for what is hidden. *base* is before our addresses."""
    about = f'<p dir="auto">{escape(poll["description"])}</p>' if poll["description"] else ""
    options = "".join(_option(n, one, poll["voters"], words, base) for n, one in enumerate(poll["options"], 1))
    told = "".join(f'<p class="mc-figures">{escape(one)}</p>' for one in _figures(poll, words))
    why = f'<p dir="auto">{escape(poll["explanation"])}</p>' if poll["explanation"] else ""
    return f'{about}<ol class="mc-list">{options}</ol>{told}{why}'


def _option(number: int, option: Mapping[str, Any], voters: int | None, words: Words, base: str) -> str:
    facts: list[str] = []
    if option["votes"] is not None and voters is not None:
        facts = [words("pollVotes", n=option["votes"])]
        if voters:
            facts.append(words("pollPercent", n=round(100 * option["votes"] / voters)))
    if option["correct"]:
        facts.append(words("pollRight"))
    # An option that is a picture alone is told by its place, one that is a video by its address.
    named = words("pollOption", n=number)
    text = option["text"] or _video(option["video"]) or named
    below = f'<p class="mc-by">{escape(" · ".join(facts))}</p>' if facts else ""
    picture = ""
    if option["image"]:
        picture = pictures([{"url": option["image"], "width": 96, "height": 72, "alt": option["text"] or named}], base)
    return f'<li class="mc-item"><b dir="auto">{escape(text)}</b>{picture}{below}</li>'


def _video(video: Mapping[str, str] | None) -> str:
    if video is None:
        return ""
    if video["provider"] == "youtube":
        return f"https://youtu.be/{video['id']}"
    return f"https://vimeo.com/{video['id']}{'/' + video['hash'] if video['hash'] else ''}"


def _figures(poll: Mapping[str, Any], words: Words) -> list[str]:
    found: list[str] = []
    if poll["outcome"] is not None and poll["outcome"]["winner"]:
        names = {one["id"]: one["text"] or one["id"] for one in poll["options"]}
        winner = poll["outcome"]["winner"]
        found.append(words("pollWinner", name=names.get(winner) or words("pollGone")))
    if poll["voters"] is not None:
        found.append(words("pollVoters", n=poll["voters"]))
        if poll["kind"] == "multiple" and poll["max"] > 1:
            found.append(words("pollShare"))
    else:
        found.append(words("pollAfter" if poll["results"] == "voted" else "pollHidden"))
    if poll["removed"]:
        found.append(words("pollRemoved", n=poll["removed"]))
    if poll["state"] != "open":
        found.append(words("pollClosed" if poll["state"] == "closed" else "pollScheduled"))
    return found


THREAD = Thread(name="Poll", query=ThreadQuery, key=first_key, page=page)
