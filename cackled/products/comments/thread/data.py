"""A conversation in the words of schema.org: DiscussionForumPosting with Comments, nested as they are.

After what Google asks of it ("Discussion forum structured data"): each has author, datePublished and text; a deleted
one that stands for the sake of its answers says so (creativeWorkStatus). The posting is what people talk about: the
site's page, which is shared there (sharedContent) and whose publisher is the site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

from cackled.api.thread import ThreadRender
from cackled.products.comments.thread.words import core_words

_ENDS = re.compile(r"</(?:p|li|blockquote|pre|h\d)>|<br ?/?>")
_TAG = re.compile(r"<[^>]*>")
_LINES = re.compile(r"\s*\n\s*")


def plain(html: str) -> str:
    """The text of sanitised HTML."""
    return _LINES.sub("\n", unescape(_TAG.sub("", _ENDS.sub("\n", html)))).strip()


def posting(
    render: ThreadRender, title: str, url: str, begun: str, channel: Mapping[str, Any],
    comments: Sequence[Mapping[str, Any]], deleted: str,
) -> dict[str, Any]:  # fmt: skip
    """The conversation; *deleted* are the words where a comment is no more."""
    site = render.site.name or str(render.site.id)
    guest = core_words(render.language)("guest")
    made: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "DiscussionForumPosting",
        "headline": channel["title"] or title,
        "text": title,
        "author": {"@type": "Organization", "name": site},
        "datePublished": begun,
        "inLanguage": render.language,
        "commentCount": channel["comments"],
        "interactionStatistic": _counted("CommentAction", channel["comments"]),
    }
    if url:
        made |= {"@id": f"{url}#mc-thread", "url": url, "mainEntityOfPage": url}
        made["sharedContent"] = {"@type": "WebPage", "url": url, "name": channel["title"] or title}
    made["comment"] = [_comment(one, url, guest, deleted) for one in comments]
    return made


def _comment(comment: Mapping[str, Any], url: str, guest: str, deleted: str) -> dict[str, Any]:
    gone = comment["deleted"]
    made: dict[str, Any] = {
        "@type": "Comment",
        "author": {"@type": "Person", "name": guest if gone else comment["author"]["name"] or guest},
        "datePublished": comment["created"],
        # What has no words (an emoji that is a picture, say) still is a comment.
        "text": deleted if gone else plain(comment["html"]) or "…",
    }
    if gone:
        made["creativeWorkStatus"] = "Deleted"
    else:
        if comment["edited"]:
            made["dateModified"] = comment["edited"]
        made["interactionStatistic"] = [
            _counted("LikeAction", comment["up"]), _counted("DislikeAction", comment["down"])
        ]  # fmt: skip
    if url:
        made["url"] = f"{url}#mc-{comment['id']}"
    below = comment.get("replies") or ()
    if below:
        made["comment"] = [_comment(one, url, guest, deleted) for one in below]
    return made


def _counted(action: str, count: int) -> dict[str, Any]:
    return {
        "@type": "InteractionCounter",
        "interactionType": {"@type": action},
        "userInteractionCount": count,
    }
