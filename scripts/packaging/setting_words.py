"""Writes the words of settings into the panel's catalogues.

    setting_words.py

English comes from the declarations of the settings (title, description, choices). In the other languages stays what
is there and still asked for, in the order of English; what is missing is printed, and the exit code is 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from cackled.domain.setting_table import SettingTable
from cackled.features import registry
from cackled.languages import LANGUAGES

FOLDER = Path(__file__).resolve().parents[2] / "cackled" / "web" / "panel" / "locales"
_LINE = re.compile(r'    ("setting\.[^"]*"): (".*?"),?\n')


def rewritten(text: str, words: dict[str, str]) -> str:
    """A catalogue with *words* in place of its words of settings, a line each; they stand before ``settings.``."""
    bare = _LINE.sub("", text)
    at = bare.index('    "settings.')
    lines = (f"    {json.dumps(key)}: {json.dumps(word, ensure_ascii=False)},\n" for key, word in words.items())
    return bare[:at] + "".join(lines) + bare[at:]


def main() -> int:
    """Write all of them. Returns the exit code."""
    english = SettingTable(registry().settings({})).words()
    missing = 0
    for language in LANGUAGES:
        path = FOLDER / f"{language}.json"
        text = path.read_text()
        there = {json.loads(key): json.loads(word) for key, word in _LINE.findall(text)}
        words = english if language == "en" else {key: there[key] for key in english if key in there}
        path.write_text(rewritten(text, words))
        for key in english.keys() - words.keys():
            missing += 1
            print(f"{language}: {key}: {english[key]}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
