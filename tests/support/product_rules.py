"""The published rules for structured data of reviews, as a checker: schema.org's types, and what search engines ask of
``Product``, ``AggregateRating`` and ``Review`` (Google, "Review snippet structured data").

Never LocalBusiness or another Organization as what is reviewed; a rating needs a count above 0 and a value within
bestRating and worstRating; a review needs an author with a valid name below 100 characters, and a rating.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?")
_URL = re.compile(r"https?://[^\s<>\"]+")
MEMBERS = {
    "Product": {
        "@context", "@type", "@id", "name", "url", "brand", "gtin", "mpn", "sku", "image", "description",
        "aggregateRating", "review", "offers",
    },
    "Brand": {"@type", "name"},
    "AggregateRating": {"@type", "ratingValue", "reviewCount", "ratingCount", "bestRating", "worstRating"},
    "Review": {"@type", "author", "datePublished", "reviewRating", "name", "reviewBody", "url"},
    "Rating": {"@type", "ratingValue", "bestRating", "worstRating"},
    "Person": {"@type", "name"},
}  # fmt: skip


def violations(data: Any) -> list[str]:
    """What is against the rules in a document."""
    found = [] if data.get("@context") == "https://schema.org" else ["@context is not schema.org"]
    if data.get("@type") != "Product":
        found.append("what is reviewed is no Product")
    if not any(data.get(name) for name in ("review", "aggregateRating", "offers")):
        found.append("a Product has one of review, aggregateRating, offers")
    return [*found, *_look(data, "$")]


def _look(node: Any, at: str) -> Iterator[str]:
    kind = node.get("@type")
    if kind not in MEMBERS:
        yield f"{at}: {kind} may not stand here"
        return
    for name in node.keys() - MEMBERS[kind]:
        yield f"{at}: {kind} has no {name}"
    for name, value in node.items():
        if value in (None, "", []):
            yield f"{at}.{name} is empty"
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(one, dict):
                yield from _look(one, f"{at}.{name}[{number}]")
    if kind == "Product" and not node.get("name"):
        yield f"{at}: a Product has a name"
    if kind in ("Rating", "AggregateRating"):
        best, worst, value = node.get("bestRating", 5), node.get("worstRating", 1), node.get("ratingValue")
        if (best, worst) != (5, 1):
            yield f"{at}: the scale is 1 to 5"
        if not isinstance(value, int | float) or not worst <= value <= best:
            yield f"{at}: ratingValue is between worstRating and bestRating"
    if kind == "AggregateRating":
        count = node.get("reviewCount", node.get("ratingCount"))
        if not isinstance(count, int) or count < 1:
            yield f"{at}: reviewCount or ratingCount above 0"
    if kind == "Review":
        author = node.get("author")
        if not isinstance(author, dict) or not 0 < len(author.get("name", "")) < 100:
            yield f"{at}: no author with a valid name"
        if not isinstance(node.get("reviewRating"), dict):
            yield f"{at}: no reviewRating"
        if not _TIME.fullmatch(node.get("datePublished", "")):
            yield f"{at}: datePublished is no date"
    if "url" in node and not _URL.fullmatch(node["url"]):
        yield f"{at}.url is no whole address"
