"""Reviews in the words of schema.org: a Product with its AggregateRating and some of its Reviews.

After what Google asks of review snippets: never of an Organization or a LocalBusiness, whose own reviews make no stars;
nothing where there is no rating; what is told is on the page, and equal; no review that was collected elsewhere, or
that somebody of the site's own wrote, is told or counted; ratings of 1 to 5 say so (bestRating, worstRating).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

from cackled.api.thread import ThreadRender
from cackled.products.reviews.thread.places import Facts
from cackled.products.reviews.thread.words import core_words

# Reviews that are told, of those on the page; characters of an author's name.
MOST = 5
LONGEST_NAME = 99
_ENDS = re.compile(r"</(?:p|li|blockquote|pre|h\d)>|<br ?/?>")
_TAG = re.compile(r"<[^>]*>")
_LINES = re.compile(r"\s*\n\s*")


def plain(html: str) -> str:
    """The text of sanitised HTML."""
    return _LINES.sub("\n", unescape(_TAG.sub("", _ENDS.sub("\n", html)))).strip()


def product(
    render: ThreadRender, name: str, url: str, facts: Facts, summary: Mapping[str, Any],
    reviews: Sequence[Mapping[str, Any]],
) -> dict[str, Any] | None:  # fmt: skip
    """The product; None where nobody has rated it here."""
    own = summary["own"]
    if not own["count"]:
        return None
    made: dict[str, Any] = {"@context": "https://schema.org", "@type": "Product", "name": name}
    if url:
        made |= {"@id": f"{url}#product", "url": url}
    if facts.brand:
        made["brand"] = {"@type": "Brand", "name": facts.brand}
    for key, value in (("gtin", facts.gtin), ("mpn", facts.mpn), ("sku", facts.sku)):
        if value:
            made[key] = value
    if facts.image.startswith("https://"):
        made["image"] = facts.image
    made["aggregateRating"] = {
        "@type": "AggregateRating",
        "ratingValue": own["average"],
        "reviewCount": own["count"],
        **_SCALE,
    }
    guest = core_words(render.language)("guest")
    told = [one for one in reviews if one["star"] is not None and not one["source"] and not one["staff"]]
    if told:
        made["review"] = [_review(one, url, guest) for one in told[:MOST]]
    return made


_SCALE = {"bestRating": 5, "worstRating": 1}


def _review(review: Mapping[str, Any], url: str, guest: str) -> dict[str, Any]:
    author = review["author"]
    made: dict[str, Any] = {
        "@type": "Review",
        "author": {"@type": "Person", "name": ((author and author["name"]) or guest)[:LONGEST_NAME]},
        "datePublished": review["created"],
        "reviewRating": {"@type": "Rating", "ratingValue": review["star"], **_SCALE},
    }
    if review["title"]:
        made["name"] = review["title"]
    text = plain(review["html"])
    if text:
        made["reviewBody"] = text
    if url:
        made["url"] = f"{url}#cr-{review['id']}"
    return made
