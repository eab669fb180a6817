"""Routes of a site's rules and of its spam filter's figures. The document goes as a whole, with an ETag."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cackled.api.answers import Count
from cackled.api.calls import Call, etag, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.audit import Audit
from cackled.domain.errors import Outdated, Refused
from cackled.moderation.dry_run import Progress
from cackled.moderation.evaluate import Evaluation, evaluate_site
from cackled.moderation.moderation import Moderation
from cackled.moderation.rules import Rules, builtins, check
from cackled.moderation.store import Kept
from cackled.transport.response import Response


class RulesAnswer(Struct, frozen=True):
    """The rules in force. ``version`` is their ETag, ``by`` who changed them last."""

    version: Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
    by: str
    rules: Rules


class DryRunBody(Struct):
    """The rules to try, and the ``cursor`` of the batch (empty for the first)."""

    rules: Rules
    cursor: Annotated[str, Meta(max_length=100)] = ""


class SpamAnswer(Struct, frozen=True):
    """The training state of the site's filter, and its quality measured on the site's own decisions."""

    spam: Count
    ham: Count
    shared: bool
    evaluation: Evaluation


def _answer(kept: Kept) -> Response:
    value = {"version": str(kept.version), "by": kept.by, "rules": builtins(kept.rules)}
    return json_response(value, 200, etag(kept.version))


async def get_rules(call: Call) -> Response:
    """Get the site's rules, with an ETag."""
    kept = await call.shared(Moderation).store.kept(call.site, call.reading.options.preference)
    return _answer(kept)


async def put_rules(call: Call) -> Response:
    """Replace the rules. Requires If-Match."""
    version = version_matched(call.request)
    moderation = call.shared(Moderation)
    try:
        kept = await moderation.store.change(call.site, check(call.body), version, call.colleague.actor)
    except Refused as error:
        if error.slug != "changed":
            raise
        raise Outdated from None
    await call.service(Audit).record(call.colleague, "rules.changed", "rules", version=kept.version)
    return _answer(kept)


async def dry_run(call: Call) -> Progress:
    """Try rules on what was written in the last 30 days, one batch per call."""
    body: DryRunBody = call.body
    moderation = call.shared(Moderation)
    held = await moderation.store.get(call.site)
    compiled = moderation.dry_runs.compiled(check(body.rules))
    return await moderation.dry_runs.batch(call.site, compiled, held, moderation.wall_time(), body.cursor)


async def get_spam(call: Call) -> SpamAnswer:
    """Get the spam filter's training state and its quality measured on the site's own decisions."""
    moderation = call.shared(Moderation)
    held = await moderation.store.get(call.site)
    rules = held.kept.rules
    evaluation = await evaluate_site(call.site, moderation.database, rules, moderation.clock, call.reading)
    made = held.filter
    return SpamAnswer(
        0 if made is None else made.spam, 0 if made is None else made.ham, rules.spam.share, evaluation
    )


_RULES = "/sites/{site}/rules"

ROUTES = (
    Route(
        method="GET", path=_RULES, name="getRules", summary="Get the site's rules, with an ETag.",
        handler=get_rules, answer=RulesAnswer, caller=Caller.STAFF, role="moderator", scope="moderate",
        limit="reads", preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="PUT", path=_RULES, name="putRules", summary="Replace the rules. Requires If-Match.",
        handler=put_rules, body=Rules, answer=RulesAnswer, caller=Caller.STAFF, role="admin", scope="moderate",
        limit="moderation.rules", refusals=VERSIONED,
    ),
    Route(
        method="POST", path=_RULES + "/dry-run", name="tryRules",
        summary="Try rules on what was written in the last 30 days, one batch per call.",
        handler=dry_run, body=DryRunBody, answer=Progress, caller=Caller.STAFF, role="moderator", scope="moderate",
        whole=True, limit="moderation.dry-run",
    ),
    Route(
        method="GET", path="/sites/{site}/moderation/spam", name="getSpamFilter",
        summary="Get the spam filter's training state and its quality measured on the site's own decisions.",
        handler=get_spam, answer=SpamAnswer, caller=Caller.STAFF, role="analyst", scope="read",
        limit="moderation.evaluate", preference=ReadPreference.NEAREST,
    ),
)  # fmt: skip
PROBLEMS = {"proof-needed": 428, "name-taken": 400, "rule": 422}
