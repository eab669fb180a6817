"""What all products and features declare, put together for those who need it whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cackled.api.feed import Feed
from cackled.api.file_feed import FileFeed
from cackled.api.old_calls import OldCall
from cackled.api.route import Route
from cackled.api.thread import Thread
from cackled.api.widget import Widget
from cackled.config import ConfigError, Limits, Rate
from cackled.database.query import Query
from cackled.database.row_counts import Counted
from cackled.domain.activity import Activity
from cackled.domain.commands import Command, Data, OperatorParts
from cackled.domain.erasure import Erasable
from cackled.domain.listening import Private
from cackled.domain.parts import ServiceParts
from cackled.domain.people import Authored
from cackled.domain.personal_data import Held
from cackled.domain.settings import ProductSettings, ProductShape, SettingsShape
from cackled.domain.site import Site
from cackled.events import EventType
from cackled.importing.exports import Export
from cackled.importing.formats import Format, Imports
from cackled.products.product import Feature, Limit, OutboxParts, Product, SharedParts

# Limits of calls that belong to no product.
CORE_LIMITS = (
    Limit(name="sessions.open", rate=0.5, burst=60, old="sessions"),
    Limit(name="reads", rate=50, burst=500, old="reads"),
    Limit(name="blocks.write", like="comments.vote"),
    # What every call of staff draws from, before it is known whose it is.
    Limit(name="staff", rate=20, burst=400),
)


class NamedLimit(Struct, frozen=True):
    """A limit by its whole name, with the numbers that hold; ``like`` is another's whole name, or ``""``."""

    name: str
    rate: Rate
    like: str


class Registry:
    """The declarations of *features*, products among them.

    Raises:
        ValueError: two of them have the same name, widget, service, kind of work, type of event or subject;
            or one has events with words that it does not erase.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        self.features = tuple(features)
        self.products = tuple(one for one in self.features if isinstance(one, Product))
        _once("feature", (one.name for one in self.features))
        _once("widget", (widget.name for one in self.products for widget in one.widgets))
        _once("thread", (thread.name for one in self.products for thread in one.threads))
        _once("feed", (feed.name for one in self.products for feed in one.feeds))
        _once("file", (feed.name for one in self.products for feed in one.files))
        _once("service", (kind for one in self.features for kind in one.services))
        _once("shared part", (kind for one in self.features for kind in one.shared))
        _once("kind of work", (kind for one in self.features for kind in one.outbox))
        _once("kind of deed", (kind for one in self.features for kind in one.deeds))
        _once("command", (command.name for one in self.features for command in one.commands))
        _once("kind of item", (kind for one in self.features for kind in one.moderated))
        _once("type of event", (event.type for one in self.features for event in one.events))
        for one in self.features:
            held = {event.subject.name for event in one.events if event.words and event.subject is not None}
            erased = set() if one.erase is None else {subject.name for subject in one.erase.subjects}
            if held != erased:
                raise ValueError(f"{one.name}: events hold words of {sorted(held)}, {sorted(erased)} are erased")
        _once("subject", (name for one in self.features for name in sorted(_subjects(one))))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the products."""
        return tuple(one.name for one in self.products)

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """All routes."""
        return tuple(replace(route, product=one.name) for one in self.features for route in one.routes)

    @property
    def old_calls(self) -> tuple[OldCall, ...]:
        """What is answered as other systems did."""
        return tuple(call for one in self.features for call in one.old_calls)

    @cached_property
    def widgets(self) -> tuple[Widget, ...]:
        """All widgets with a first render."""
        return tuple(replace(widget, product=one.name) for one in self.products for widget in one.widgets)

    @cached_property
    def threads(self) -> tuple[Thread, ...]:
        """All conversations as pages."""
        return tuple(replace(thread, product=one.name) for one in self.products for thread in one.threads)

    @cached_property
    def feeds(self) -> tuple[Feed, ...]:
        """All feeds."""
        return tuple(replace(feed, product=one.name) for one in self.products for feed in one.feeds)

    @property
    def files(self) -> tuple[FileFeed, ...]:
        """All feeds that are whole files."""
        return tuple(replace(feed, product=one.name) for one in self.products for feed in one.files)

    @property
    def problems(self) -> dict[str, int]:
        """Status by slug of the problems that features have beside the common ones."""
        found = {refusal.reason: refusal.error.status for one in self.features for refusal in one.refusals}
        return found | {slug: status for one in self.features for slug, status in one.problems.items()}

    @property
    def events(self) -> tuple[EventType, ...]:
        """The types of durable events."""
        return tuple(event for one in self.features for event in one.events)

    @cached_property
    def private(self) -> dict[str, Private]:
        """Which channels are private, by the product of their rows."""
        return {name: private for one in self.features for name, private in one.private.items()}

    @property
    def proofs(self) -> dict[str, type]:
        """The shared parts that know who may listen there, by product."""
        return {name: kind for one in self.features for name, kind in one.proofs.items()}

    @property
    def moderated(self) -> dict[str, Callable[..., Any]]:
        """What moderators see of a site, by kind of item."""
        return {kind: make for one in self.features for kind, make in one.moderated.items()}

    @property
    def activity(self) -> dict[str, Activity]:
        """What visitors did, by product."""
        return {one.name: one.activity for one in self.products if one.activity is not None}

    @property
    def jobs(self) -> tuple[Query, ...]:
        """What keeps the tables of features tidy."""
        return tuple(query for one in self.features for query in one.jobs)

    @property
    def recounts(self) -> tuple[Query, ...]:
        """What compares counts of features with what they count."""
        return tuple(query for one in self.features for query in one.recounts)

    def commands(self, parts: OperatorParts) -> tuple[Command, ...]:
        """The operator commands of features, which then need no parts."""
        return tuple(_bound(command, parts) for one in self.features for command in one.commands)

    @property
    def web(self) -> tuple[Path, ...]:
        """The folders that have widgets' scripts and styles."""
        return tuple(Path(str(files(one.web))) / "web" for one in self.features if one.web)

    @property
    def sql(self) -> tuple[str, ...]:
        """The packages that bring migrations and database functions of their own."""
        return tuple(one.sql for one in self.features if one.sql)

    @property
    def counted(self) -> tuple[Counted, ...]:
        """The tables whose rows are counted for operators."""
        return tuple(counted for one in self.features for counted in one.counted)

    @property
    def held(self) -> tuple[Held, ...]:
        """What features have of visitors."""
        return tuple(held for one in self.features for held in one.held)

    @property
    def erasables(self) -> tuple[Erasable, ...]:
        """How a visitor is forgotten."""
        return tuple(one.erase for one in self.features if one.erase is not None)

    @property
    def authored(self) -> tuple[Authored, ...]:
        """How what products have of a visitor follows them."""
        return tuple(one.authored for one in self.products if one.authored is not None)

    @property
    def exports(self) -> dict[str, dict[str, Export]]:
        """The formats of each product that is exported, by name."""
        some = [(one.name, one.exports()) for one in self.products if one.exports is not None]
        return {name: {one.name: one for one in exports} for name, exports in some}

    @property
    def formats(self) -> dict[str, tuple[str, Imports, Format]]:
        """The formats that can be imported, by name, each with its product.

        Raises:
            ValueError: two have one name.
        """
        # Loaded when something is imported, not at each start.
        made = [(one.name, one.imports()) for one in self.products if one.imports is not None]
        _once("format", (format.name for _, imports in made for format in imports.formats))
        return {format.name: (name, imports, format) for name, imports in made for format in imports.formats}

    def services(self, parts: ServiceParts) -> dict[type, Callable[[Site], Any]]:
        """How services are made of *parts*, by kind."""
        return {kind: partial(make, parts) for one in self.features for kind, make in one.services.items()}

    def shared(self, parts: SharedParts) -> dict[type, Any]:
        """What a process has once, made of *parts*, by kind."""
        return {kind: make(parts) for one in self.features for kind, make in one.shared.items()}

    @property
    def starts(self) -> tuple[type, ...]:
        """The kinds of shared parts that have jobs of their own."""
        return tuple(kind for one in self.features for kind in one.starts)

    def deeds(self, parts: ServiceParts) -> dict[str, Callable[..., Any]]:
        """What signed links do, by kind."""
        return {kind: partial(do, parts) for one in self.features for kind, do in one.deeds.items()}

    def outbox(self, parts: OutboxParts) -> dict[str, Any]:
        """The handlers of work for other servers, by kind."""
        return {kind: make(parts) for one in self.features for kind, make in one.outbox.items()}

    @property
    def setting_kinds(self) -> dict[str, type[ProductSettings]]:
        """The settings of each product that has some."""
        return {one.name: one.settings for one in self.features if one.settings is not None}

    def settings(self, given: Mapping[str, Mapping[str, Any]]) -> SettingsShape:
        """Which settings there are, with defaults as *given* in ``[products.NAME]``.

        Raises:
            ConfigError: there is no such product, or a default can't be used.
        """
        kinds = self.setting_kinds
        for name in given:
            if name not in kinds:
                raise ConfigError(f"[products.{name}]: there are settings of {', '.join(kinds)}")
        shapes = []
        for one in self.features:
            if one.settings is None:
                continue
            try:
                default = msgspec.convert(dict(given.get(one.name, {})), one.settings)
            except msgspec.ValidationError as error:
                raise ConfigError(f"[products.{one.name}]: {error}".replace("\n", " ")) from None
            old = one.old_settings if isinstance(one, Product) else ()
            shapes.append(ProductShape(product=one.name, default=default, old=old))
        return SettingsShape(shapes)

    @property
    def default_limits(self) -> dict[str, Rate | str]:
        """The numbers of each limit as it is declared, or the name of the limit that it shares."""
        return {one.name: one.like or one.rate for one in self.limits(Limits())}

    def limits(self, given: Limits) -> list[NamedLimit]:
        """The limits as *given* in the configuration.

        Raises:
            ConfigError: a limit is given that there is not.
        """
        declared = [(limit.name, limit) for limit in CORE_LIMITS]
        for one in self.features:
            for limit in one.limits:
                like = f"{one.name}.{limit.like}" if limit.like else ""
                declared.append((f"{one.name}.{limit.name}", _with(limit, like)))
        names = [name for name, _ in declared]
        for name in given.calls:
            if name not in names:
                raise ConfigError(f"[limits.calls] {name!r}: there is no such limit; there are {', '.join(names)}")
        # One with numbers of its own draws from a bucket of its own.
        return [
            NamedLimit(name, _rate(name, limit, given), "" if name in given.calls else limit.like)
            for name, limit in declared
        ]


def _with(limit: Limit, like: str) -> Limit:
    return Limit(
        name=limit.name, rate=limit.rate, burst=limit.burst, site_rate=limit.site_rate, old=limit.old, like=like
    )


def _rate(name: str, limit: Limit, given: Limits) -> Rate:
    made = given.calls.get(name)
    if made is not None:
        return made
    numbers = {
        "rate": getattr(given, f"{limit.old}_per_address", None),
        "burst": getattr(given, f"{limit.old}_burst", None),
        "site_rate": getattr(given, f"{limit.old}_per_site", None),
    }
    declared = Rate(rate=limit.rate, burst=limit.burst, site_rate=limit.site_rate)
    return replace(declared, **{key: value for key, value in numbers.items() if limit.old and value is not None})


def _subjects(feature: Feature) -> set[str]:
    return {event.subject.name for event in feature.events if event.subject is not None}


def _bound(command: Command, parts: OperatorParts) -> Command:
    async def run(console: object, words: Sequence[str]) -> Data:
        return await command.run(parts, words)

    return replace(command, run=run)


def _once(what: str, names: Iterator[Any]) -> None:
    seen: set[Any] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"there are two of {what} {name}")
        seen.add(name)
