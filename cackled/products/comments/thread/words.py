"""Words of conversations as pages: those of the widget, and some of their own."""

from __future__ import annotations

from pathlib import Path

from cackled.languages import Catalogue, Language, Words

_PRODUCT = Path(__file__).parents[1] / "web" / "locales"
_CORE = Path(__file__).parents[3] / "web" / "locales"
OWN = Catalogue(_PRODUCT, "thread")
WIDGET = Catalogue(_PRODUCT, "widget")
CORE = Catalogue(_CORE, "widget")
PROBLEMS = Catalogue(_PRODUCT, "problems")


def own_words(language: Language) -> Words:
    """The words of pages alone."""
    return OWN.words(language)


def widget_words(language: Language) -> Words:
    """The words that the comments' widget has, too."""
    return WIDGET.words(language)


def core_words(language: Language) -> Words:
    """The words that all widgets have."""
    return CORE.words(language)
