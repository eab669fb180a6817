"""Words of reviews as pages: those of the widget."""

from __future__ import annotations

from pathlib import Path

from cackled.languages import Catalogue, Language, Words

WIDGET = Catalogue(Path(__file__).parents[1] / "web" / "locales", "widget")
CORE = Catalogue(Path(__file__).parents[3] / "web" / "locales", "widget")


def widget_words(language: Language) -> Words:
    """The words of the reviews' widget."""
    return WIDGET.words(language)


def core_words(language: Language) -> Words:
    """The words that all widgets have."""
    return CORE.words(language)
