#!/usr/bin/env python3
"""Look for texts that cost much CPU per character on their way from a visitor to the database.

It keeps the worst texts it has seen and changes them (repeats a piece, puts in marks, mixes two), always filled up to
the limit of a comment. It prints what it found, worst first, and exits with 1 where a text took longer than ``--most``
milliseconds of CPU.

    scripts/fuzz_text.py --seconds 120 --most 100
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cackled.domain import text, word_matching
from cackled.domain.errors import Refused

LENGTH = 8_000
PIECES = [
    *"[]()<>*_~`\\>-+.#!&\"'|:/@?%;,=^{}0a Я\t\n", "](", "[](", "![", "[a](b)", "[a](https://b)", "://", "https://",
    "http://a.b/", "www.", "www.a.bb", "mailto:", "mailto:a@b.cc", "<https://a>", "<a@b.cc>", "**", "~~", "***", "``",
    "```", "~~~", "```\n", "\n\n", "\n\n\n", "\n> ", "\n>", "\n- ", "\n* ", "\n1. ", "\n2. ", "\n    ", "\n  - ", " \n",
    "  \n", "\\*", "\\\n", "&amp;", "&#x41;", "\u0301", "\uff9e", "&#789;", "&a",
    "\u0315\u0300", "\u200d", "\u200b", "\ufe0f", "\u202e",
    "\u2028", "\x00", "\ud800", "😀", "𝅘𝅥𝅮", "\u0344", "ﷺ", "가", "\u1100\u1161", "аррӏе.com", "xn--", "https://аррӏе.com/",
    "a.b.c.", "a-b", "a:b@c", "[::1]", "(", "))", "\u00bb", "\u201d", "\u00af\\_(", "word ", "a*b", "_a_", "[[", "]]",
]  # fmt: skip


def post(raw: str) -> None:
    """What a comment's text goes through."""
    try:
        source = text.clean_text(raw, LENGTH)
        word_matching.compared(source, word_matching.visible(text.render(source)))
    except Refused:
        pass


def name(raw: str) -> None:
    """What a name goes through."""
    try:
        text.clean_name(raw)
    except Refused:
        pass


def cost(way: Callable[[str], None], raw: str) -> float:
    """Milliseconds of CPU; the best of three where it is much, as others use the machine too."""
    best = 1e9
    for _ in range(3):
        begun = time.process_time()
        way(raw)
        best = min(best, 1000 * (time.process_time() - begun))
        if best < 5:
            break
    return best


def made(pattern: list[str], length: int) -> str:
    """*pattern* again and again, up to *length*."""
    piece = "".join(pattern) or "a"
    return (piece * (length // len(piece) + 1))[:length]


def changed(chance: random.Random, pattern: list[str], others: list[list[str]]) -> list[str]:
    """Another pattern like it."""
    pattern = list(pattern)
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(pattern))
        what = chance.randrange(6)
        if what == 0:
            pattern.insert(at, chance.choice(PIECES))
        elif what == 1 and pattern:
            del pattern[at - 1]
        elif what == 2 and pattern:
            pattern[at - 1] = chance.choice(PIECES)
        elif what == 3 and pattern:
            pattern[at:at] = [pattern[at - 1]] * chance.choice((2, 9, 60, 500))
        elif what == 4:
            other = chance.choice(others)
            pattern[at:at] = other[: chance.randint(0, len(other))]
        else:
            pattern = pattern[: at + 1]
    return pattern[:2000]


def main() -> int:
    """Look for so many seconds, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=float, default=0, help="milliseconds of CPU that a text may cost (0: any)")
    parser.add_argument("--keep", type=int, default=40)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    worst: list[tuple[float, list[str]]] = [(cost(post, made([piece], LENGTH)), [piece]) for piece in PIECES]
    names = max(cost(name, made([piece], length)) for piece in PIECES for length in (1000, 62_000))
    end = time.monotonic() + options.seconds
    tried = len(worst)
    while time.monotonic() < end:
        worst.sort(key=lambda one: -one[0])
        del worst[options.keep :]
        patterns = [pattern for _, pattern in worst]
        pattern = changed(chance, chance.choice(patterns), patterns)
        # Longer than allowed too: refusing must not cost more than taking.
        length = LENGTH if chance.random() < 0.9 else chance.choice((4 * LENGTH, 62_000))
        tried += 1
        took = cost(post, made(pattern, length))
        if pattern not in patterns:
            worst.append((took, pattern))
    worst.sort(key=lambda one: -one[0])
    print(f"{tried} texts of {LENGTH} characters; names at most {names:.1f} ms")
    for took, pattern in worst[:10]:
        shown = repr("".join(pattern))
        print(f"{took:8.1f} ms  {shown[:110]}{'...' if len(shown) > 110 else ''}")
    return 1 if options.most and max(worst[0][0], names) > options.most else 0


if __name__ == "__main__":
    raise SystemExit(main())
