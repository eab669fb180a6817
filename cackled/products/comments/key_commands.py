"""What an operator is shown before conversations are carried over to other keys, and after."""

from __future__ import annotations

import msgspec
from twisted.logger import Logger

from cackled.domain.commands import CommandError, Data, Fact, Facts, OperatorParts, Table
from cackled.domain.errors import Refused
from cackled.domain.site import Site
from cackled.products.comments.carrying import SHOWN, Carrying, Plan

log = Logger()

# Comments between two lines of the log.
_TOLD = 10_000


class KeyCommands:
    """The keys of a site's conversations. What can't be done is a `CommandError`."""

    def __init__(self, parts: OperatorParts) -> None:
        self._parts = parts

    async def normalise(self, site: int, rule: str | None, confirmed: bool) -> Data:
        """Say what would become of the addresses; then set the rule, and carry them over."""
        found = self._parts.site(site)
        chosen = rule or ("path" if found.settings.channel_rule == "address" else found.settings.channel_rule)
        plan = await self._carrying(found, chosen).plan()
        if not confirmed:
            return _preview(site, chosen, rule, plan)
        if plan.clashes and rule is None:
            raise CommandError(
                f"nothing was done: pages of several hosts share {len(plan.clashes)} keys; say whether they are one: "
                f"normalise {site} path confirm, or not: normalise {site} host confirm"
            )
        try:
            if found.settings.channel_rule != chosen:
                # First of all: what is written from now on comes to the right place.
                found = await self._parts.sites.change(site, "channel_rule", chosen)
            moved = await self._carrying(found, chosen, f"site {site}").run(plan)
        except Refused as error:
            raise CommandError(error.detail) from None
        done: Facts = {"site": site, "channel_rule": chosen, "comments_moved": moved, "channels_carried": plan.channels}
        sections: dict[str, Facts | Table] = {"done": done, "pages": _pages(plan)}
        return sections

    def _carrying(self, site: Site, rule: str, name: str = "") -> Carrying:
        settings = msgspec.structs.replace(site.settings, channel_rule=rule)
        told = 0

        def tell(moved: int, of: int) -> None:
            nonlocal told
            if name and moved - told >= _TOLD:
                told = moved
                log.info("{site}: {moved} of {of} comments carried over", site=name, moved=moved, of=of)

        return Carrying(msgspec.structs.replace(site, settings=settings), self._parts.database, self._parts.evict, tell)


def _preview(site: int, rule: str, given: str | None, plan: Plan) -> Data:
    if not plan.pages:
        return f"site {site} has no conversations whose keys are whole addresses"
    facts: dict[str, Fact] = {
        "would_be_carried_over": f"{plan.channels} channels with {plan.comments} comments, to {len(plan.pages)} pages",
        "pages_with_several_conversations": plan.merged,
        "hosts": ", ".join(sorted(plan.hosts)[:10]),
        "keys_that_hosts_share": len(plan.clashes),
        "addresses_that_were_cut": plan.cut,
        "channel_rule": rule,
    }
    if plan.clashes and given is None:
        facts["to_do_it"] = f"one page: normalise {site} path confirm; several: normalise {site} host confirm"
    else:
        facts["to_do_it"] = f"normalise {site}{' ' + given if given else ''} confirm"
    sections: dict[str, Facts | Table] = {"preview": facts, "pages": _pages(plan)}
    return sections


def _pages(plan: Plan) -> Table:
    """Those that are made of most, first."""
    most = sorted(plan.pages.items(), key=lambda item: (-len(item[1]), -sum(one.comments for one in item[1])))
    return [
        {
            "page": page[:100],
            "comments": sum(one.comments for one in each),
            "of": ", ".join(f"{one.key[:100]} ({one.comments})" for one in each[:10]),
        }
        for page, each in most[:SHOWN]
    ]
