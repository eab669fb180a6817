"""Which language a text is in, as far as its letters and most frequent words tell.

No model and no download: scripts tell most languages apart, and within a script the words that every text has. It is
for a rule that holds what is certainly in another language; a short text without such words counts as any language of
its script.
"""

from __future__ import annotations

import re

from msgspec import Struct

# Ranges of letters, by script; Latin with its accented letters.
_SCRIPTS = {
    "latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
    "cyrillic": "\u0400-\u052f",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "arabic": "\u0620-\u06ff\u0750-\u077f",
    "hebrew": "\u05d0-\u05ea",
    "han": "\u3400-\u4dbf\u4e00-\u9fff",
    "kana": "\u3041-\u30ff",
    "hangul": "\uac00-\ud7a3\u1100-\u11ff",
    "thai": "\u0e01-\u0e4e",
    "devanagari": "\u0900-\u097f",
    "bengali": "\u0980-\u09ff",
    "tamil": "\u0b80-\u0bff",
    "armenian": "\u0531-\u0587",
    "georgian": "\u10a0-\u10ff",
}
_LETTERS = {name: re.compile(f"[{ranges}]+") for name, ranges in _SCRIPTS.items()}

# Language -> script and its most frequent words that others of the script have not, or seldom.
_WORDS: dict[str, tuple[str, str]] = {
    "en": ("latin", "the and of to is in that it for you was with are this have not but they from what i my"),
    "de": ("latin", "der die das und ist nicht ich ein eine zu mit sich auf auch es den von wie aber wir sie war im"),
    "fr": ("latin", "le la les et est des une un que pas dans pour qui sur ce je il vous nous avec mais au sont c'est"),
    "es": ("latin", "el la los las y que de en un una por con no para es se lo como más pero su yo muy está al"),
    "it": ("latin", "il lo la gli che di e un una non per con sono del della è si come ma più anche questo mi ha nel"),
    "pt": ("latin", "o a os as e que de do da em um uma não para com por se mais mas como foi ao você é muito eu"),
    "nl": ("latin", "de het een en van ik is dat niet op te zijn met voor er maar ook wat aan je heb was bij om deze"),
    "pl": ("latin", "i w na z się nie że to do jest o jak co ale za po tak od czy przez mnie tylko już ma są"),
    "cs": ("latin", "a v na se je že to s z do o i jak ale po za tak by jsem ve už jen co jsou mi není když"),
    "sv": ("latin", "och att det som en på är av för med den till inte har jag om var ett men vi han så från kan"),
    "da": ("latin", "og at det en den til er som på de med af for ikke har jeg der var et men sig han så vi fra"),
    "no": ("latin", "og det er en til på som med for ikke at har jeg av de den var et men seg han så vi fra kan"),
    "fi": ("latin", "ja on ei se että oli hän joka mutta kun niin ovat minä myös tämä jos sitä mitä olen kuin nyt"),
    "tr": ("latin", "ve bir bu da de için ne çok daha ama gibi olarak ben o var kadar değil mi ile en şey sen"),
    "ro": ("latin", "și de la în nu un o este cu că pe sunt pentru mai din se care să dar ce am fi ca au"),
    "hu": ("latin", "a az és hogy nem is egy ez de van meg csak már ha mint vagy volt még én ki mert azt"),
    "id": ("latin", "dan yang di ini itu tidak dengan untuk dari saya ada akan ke pada juga bisa sudah kami"),
    "vi": ("latin", "và là của có không được cho một các người này với tôi trong đã những khi để như ở thì"),
    "ru": ("cyrillic", "и в не на что я с это как а то он но по к из у за вы так же от мы было все бы только"),
    "uk": ("cyrillic", "і в не на що я з це як а та він але по до із у за ви так ж від ми було все є її"),
    "be": ("cyrillic", "і ў не на што я з гэта як а ён але па да за вы так ж ад мы было усё ці яго ёсць"),
    "bg": ("cyrillic", "и в не на че аз с това как а то той но по към от у за вие така се са да е ще съм"),
    "sr": ("cyrillic", "и у не на што ја са то као а он али по до из за ви тако од ми је све да се сам које"),
    "el": ("greek", "και το να του η της με που την από για είναι ότι τον δεν στο"),
    "ar": ("arabic", "في من على إلى أن هذا التي الذي لا ما عن كان هذه مع كل"),
    "fa": ("arabic", "و در به از که این را با است برای آن یک خود تا می"),
    "ur": ("arabic", "کے میں کی ہے اور سے کا کو نے پر یہ کہ بھی ہیں"),
    "he": ("hebrew", "של את על לא זה הוא עם אני גם כל מה היא"),
    "ja": ("kana", ""),
    "zh": ("han", ""),
    "ko": ("hangul", ""),
    "th": ("thai", ""),
    "hi": ("devanagari", "है के में की से को और का नहीं यह पर"),
    "bn": ("bengali", ""),
    "ta": ("tamil", ""),
    "hy": ("armenian", ""),
    "ka": ("georgian", ""),
}
LANGUAGES = tuple(sorted(_WORDS))
FREQUENT = {code: frozenset(words.split()) for code, (_, words) in _WORDS.items()}
SCRIPT_OF = {code: script for code, (script, _) in _WORDS.items()}
# Words that say nothing of what a text is about, in any language.
FUNCTION_WORDS = frozenset().union(*FREQUENT.values())

# Fewer letters say nothing, and so do fewer frequent words.
LEAST_LETTERS = 12
LEAST_WORDS = 3


class Guess(Struct, frozen=True):
    """The ``script`` that most letters are of ("" where there are too few), and the ``language`` ("" where unsure)."""

    script: str
    language: str


def scripts(text: str) -> dict[str, int]:
    """How many letters of each script a text has."""
    if text.isascii():
        count = sum(map(len, _LETTERS["latin"].findall(text)))
        return {"latin": count} if count else {}
    found = {name: sum(map(len, pattern.findall(text))) for name, pattern in _LETTERS.items()}
    return {name: count for name, count in found.items() if count}


def guess(text: str, words: list[str]) -> Guess:
    """What *text*, of these folded *words*, is written in."""
    counts = scripts(text)
    if sum(counts.values()) < LEAST_LETTERS:
        return Guess("", "")
    script = max(counts, key=lambda one: counts[one])
    # Japanese is written with Chinese characters too, Chinese never with kana.
    if script == "han" and counts.get("kana", 0) * 10 > counts["han"]:
        script = "kana"
    codes = [code for code, of in SCRIPT_OF.items() if of == script]
    if len(codes) == 1:
        return Guess(script, codes[0])
    hits = sorted(((sum(word in FREQUENT[code] for word in words), code) for code in codes), reverse=True)
    if not hits or hits[0][0] < LEAST_WORDS or hits[0][0] < 1.5 * hits[1][0]:
        return Guess(script, "")
    return Guess(script, hits[0][1])


def fits(text: str, words: list[str], languages: tuple[str, ...]) -> bool:
    """Whether a text may be in one of *languages*; True where it can't be told."""
    found = guess(text, words)
    if not found.script:
        return True
    if found.language:
        return found.language in languages or _near(found.language, languages)
    allowed = {SCRIPT_OF[code] for code in languages}
    return found.script in allowed or (found.script == "han" and "kana" in allowed)


# Neighbours that share most of their frequent words: one is not refused for the other.
_NEAR = ({"da", "no", "sv"}, {"cs"}, {"uk", "be"})


def _near(language: str, languages: tuple[str, ...]) -> bool:
    # A few words of Japanese may have no kana.
    if language == "zh" and "ja" in languages:
        return True
    return any(language in group and not group.isdisjoint(languages) for group in _NEAR)
