"""Reviews for tests in a browser: a site's settings, and a page of reviews by several people."""

from __future__ import annotations

import shlex
from typing import Any

from tests.support.client import Visitor
from tests.support.daemon import Daemon

SETTINGS = {
    "reviews.fields": "title pros cons text recommend experienced variant media",
    "reviews.criteria": "quality: Quality; value: Value for money",
    "reviews.attributes": "size: Size = small, right, large",
    "reviews.questions": "yes",
    "reviews.history": "yes",
}
LONG = " ".join(["The handle stays cool, the lid stays on, and the whistle is loud enough for the garden."] * 12)
REVIEWS: list[dict[str, Any]] = [
    {"name": "Ada", "star": 5, "title": "It boils and it is beautiful", "text": LONG, "pros": "quick\nquiet",
     "cons": "heavy", "recommend": True, "criteria": {"quality": 5, "value": 4}, "attributes": {"size": "right"},
     "experienced": "2026-05-01", "variant": "Blue"},
    {"name": "Bo", "star": 4, "title": "Good", "text": "Good, but the lid *rattles*.", "recommend": True,
     "criteria": {"quality": 4}},
    {"name": "Chi", "star": 2, "title": "Chipped", "text": "The enamel chipped after a week.", "cons": "enamel",
     "recommend": False, "criteria": {"quality": 2, "value": 3}},
    {"name": "Dee", "star": 5, "text": "Second one I buy."},
]  # fmt: skip


def settle(daemon: Daemon) -> None:
    """Give site 1 the settings of these tests."""
    for name, value in SETTINGS.items():
        daemon.admin(f"site set 1 {name} {shlex.quote(value)}")


def review(url: str, key: str, **given: Any) -> tuple[Visitor, dict[str, Any]]:
    """One review by somebody new; what the server answers."""
    visitor = Visitor(url, name=given.get("name", "Ann"))
    channel = {"key": key, "url": "http://localhost/page", "title": "The kettle"}
    body = {"channel": channel, "name": visitor.name, **given}
    answer = visitor.call("/reviews", "POST", body)
    if answer.status != 201:
        raise AssertionError(answer.body)
    return visitor, answer.json()


def fill(url: str, key: str) -> list[tuple[Visitor, dict[str, Any]]]:
    """A page of reviews."""
    return [review(url, key, **one) for one in REVIEWS]
