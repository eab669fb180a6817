"""What an export says of a poll, made into what is stored, by the same rules as what staff writes; or None."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.domain.errors import BadField
from cackled.domain.site import Site
from cackled.domain.videos import canonical
from cackled.importing.values import count_of, flag_of, is_number, text_of, time_of
from cackled.products.polls.answers import LONGEST_TEXT, MOST_OPTIONS, PollBody
from cackled.products.polls.drafts import new_poll

MOST_NUMBER = 1_000_000
_FAMILIAR = ("kind", "question", "description", "explanation", "results", "identity", "changeable", "write_in", "quota",
             "burst", "voters_shown")  # fmt: skip


def poll_of(site: Site, line: dict[str, Any], *, own: bool) -> dict[str, Any] | None:
    """The members of a poll as `import_polls` takes them; None where nobody could have made such a poll here.

    Of a line that is not *own*, only options that are shown come, and pictures that lie on the site.
    """
    given = line.get("options")
    options = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    shown = [one for one in options if one.get("state") == 1]
    kept = options[: 4 * MOST_OPTIONS] if own else shown
    try:
        made = _checked(site, line, shown, own=own)
    except (BadField, msgspec.ValidationError):
        return None
    numbers = [one.get("number") for one in kept]
    if not all(type(one) is int and 0 < one < MOST_NUMBER for one in numbers) or len(set(numbers)) < len(numbers):
        return None
    opens, closes, closed = (time_of(line.get(name)) for name in ("opens", "closes", "closed"))
    if not own and opens and closes and opens >= closes:
        return None
    checked = dict(zip([one["number"] for one in shown], made.pop("options"), strict=True))
    return made | {
        "opens": opens, "closes": closes, "closed": closed,
        "removed": min(count_of(line.get("removed")), 2**31 - 1) if own else 0,
        "version": max(1, min(count_of(line.get("version")), 2**31 - 2)) if own else 1,
        "made_by": text_of(line.get("by"))[:100] if own else "",
        "options": [_option(one, place, checked.get(one["number"]), own=own) for place, one in enumerate(kept, 1)],
    }  # fmt: skip


def _checked(site: Site, line: dict[str, Any], shown: list[dict[str, Any]], *, own: bool) -> dict[str, Any]:
    """All that is checked of what staff writes."""
    scale = line.get("kind") == "number"
    body: dict[str, Any] = {name: line[name] for name in _FAMILIAR if line.get(name) is not None}
    body["options"] = [
        # What this server wrote was checked once, and may have lost its words or its host since.
        {"text": f"option {number}", "correct": flag_of(one.get("correct"))} if own else
        {"text": text_of(one.get("text")), "image": _placed(one), "video": text_of(one.get("video")),
         "correct": flag_of(one.get("correct"))}
        for number, one in enumerate(shown)
    ]  # fmt: skip
    values = [one.get("value") for one in shown]
    bounds = line.get("least"), line.get("most")
    if scale:
        if not all(type(one) is int and abs(one) <= 1_000 for one in values) or len(set(values)) < len(values):
            raise BadField("A scale has numbers.", field="options")
        # The options of a scale are made from its bounds: what is checked are those of a choice with the same words.
        body["kind"] = "single"
    elif line.get("kind") in ("multiple", "ranked") and not own:
        body |= {"min": bounds[0], "max": bounds[1]}
    made = new_poll(site, msgspec.convert(body, PollBody), 0.0)
    made = {name: made[name] for name in (*_FAMILIAR, "least", "most", "options")}
    if own and not scale and made["kind"] in ("multiple", "ranked"):
        if not all(type(one) is int and 0 < one <= MOST_OPTIONS for one in bounds):
            raise BadField("min and max are numbers.", field="max")
        made["least"], made["most"] = bounds
    if scale:
        made["kind"] = "number"
    for option, one, value in zip(made["options"], shown, values, strict=True):
        option["value"] = value if scale else None
        if own:
            image = _placed(one)[:1_000]
            option |= {
                "text": text_of(one.get("text"))[:LONGEST_TEXT], "video": canonical(text_of(one.get("video"))) or "",
                "image": image if image.startswith((f"/media/{site.id}-", "https://")) else "",
            }  # fmt: skip
    return made


def _placed(one: dict[str, Any]) -> str:
    """The address of an option's picture as polls keep it: an uploaded one has a path, which exports make whole."""
    image, name = text_of(one.get("image")), text_of(one.get("picture"))
    at = image.rfind(f"/media/{name}/")
    return image[at:] if name and at >= 0 and image.count("/", at) == 3 else image


def _option(one: dict[str, Any], place: int, checked: dict[str, Any] | None, *, own: bool) -> dict[str, Any]:
    """An option that is shown is as it was *checked*; one that a visitor proposed is words."""
    proposer, item = text_of(one.get("proposer")), text_of(one.get("item"))
    state = one.get("state")
    words = checked or {
        "text": text_of(one.get("text"))[:LONGEST_TEXT], "image": "", "video": "", "value": None, "correct": False,
    }  # fmt: skip
    status, stands = one.get("status"), one.get("place")
    return {
        "number": one["number"], "place": stands if type(stands) is int and abs(stands) < MOST_NUMBER else place,
        "text": words["text"], "image": words["image"], "video": words["video"], "value": words["value"],
        "correct": words["correct"], "state": state if type(state) is int and state in (0, 1, 2) else 2,
        "proposer": proposer if own and is_number(proposer) else None,
        "item": item if own and is_number(item) else None,
        "status": status if own and type(status) is int and 0 <= status <= 4 else 1,
        "seen": not own or flag_of(one.get("seen")),
        "turn": max(1, min(count_of(one.get("version")), 2**31 - 2)) if own else 1,
        "marks": text_of(one.get("marks"))[:2_000] if own else "", "created": time_of(one.get("created")),
    }  # fmt: skip
