"""The operator commands: one table for the telnet manhole, ``cackled admin`` and the admin HTTP listener.

A command gets the `Console` and its words, and returns plain data.
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Mapping, Sequence
from ipaddress import ip_address, ip_network

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled import logs
from cackled.admin import account_commands, overview
from cackled.admin.arguments import need as _need
from cackled.admin.console import BanKind, Console, Verbatim
from cackled.admin.overview import have as _have
from cackled.domain.commands import Command, CommandError, Data, Facts, operator, parse_channel
from cackled.domain.commands import Usage as _Usage
from cackled.domain.commands import number as _number
from cackled.domain.commands import site_number as _site
from cackled.metrics import Metrics

__all__ = ["COMMANDS", "Quit", "Runner", "find", "one_line", "table"]

log = Logger()

MOST_CHANNELS = 1_000
LONGEST_LINE = 4_096
MOST_BAN_HOURS = 24.0 * 366 * 10
_LEVELS = ("debug", "info", "warn", "error")


class Quit(Exception):
    """The operator ends the session."""


async def _help(console: Console, words: Sequence[str]) -> Data:
    if not words:
        return [{"command": f"{c.name} {c.usage}".strip(), "help": c.help} for c in table(console).values()]
    if len(words) > 1:
        raise _Usage
    command = find(console, words[0])
    return {"usage": f"{command.name} {command.usage}".strip(), "help": command.help}


async def _status(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    return await overview.status(console)


async def _busiest(console: Console, words: Sequence[str]) -> Data:
    if len(words) > 1:
        raise _Usage
    most = _number(words[0], "N", 1, MOST_CHANNELS) if words else 20
    return await overview.busiest(_need(console.happening, "count of visitors"), most)


async def _sessions(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    return await _have(_need(console.live, "realtime").sessions())


async def _nodes(console: Console, words: Sequence[str]) -> Data:
    cluster = _need(console.cluster, "other nodes")
    match list(words):
        case []:
            return cluster.nodes()
        case ["forget", node]:
            if not await cluster.forget(node):
                raise CommandError(f"there is no node {node[:60]} in the database")
            return f"{node} is forgotten"
    raise _Usage


async def _channels(console: Console, words: Sequence[str]) -> Data:
    if len(words) > 1:
        raise _Usage
    most = _number(words[0], "N", 1, MOST_CHANNELS) if words else 20
    rows = await _have(_need(console.live, "realtime").channels(most))
    if console.pages is None:
        return rows
    # Show the page key beside the channel number.
    places = [(parse_channel(str(row["channel"])), row) for row in rows]
    keys = await console.pages.keys((place.site, place.channel) for place, _ in places)
    return [{**row, "page": keys.get((place.site, place.channel), "-")} for place, row in places]


async def _cache(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    return await _have(_need(console.cache, "cache").caches())


async def _evict(console: Console, words: Sequence[str]) -> Data:
    if len(words) != 1:
        raise _Usage
    cache = _need(console.cache, "cache")
    if words[0] == "all":
        await _have(cache.clear())
        return "everything is evicted"
    position = parse_channel(words[0])
    await _have(cache.evict(position.site, position.channel))
    return f"{position.sub} is evicted"


async def _site_command(console: Console, words: Sequence[str]) -> Data:
    sites = _need(console.sites, "sites")
    match list(words):
        case []:
            return await sites.sites()
        case ["add", number, name, *origins] if number.startswith("id=") and origins:
            return {"site": await sites.add(name, origins, _site(number[3:]))}
        case ["add", name, *origins] if origins and not name.startswith("id="):
            return {"site": await sites.add(name, origins)}
        case ["pin", site, deployment]:
            await sites.pin(_site(site), deployment)
            return f"site {site} lives in {deployment}"
        case ["unpin", site]:
            return f"site {site} was {'pinned' if await sites.unpin(_site(site)) else 'not pinned'}"
        case ["origins", site, "add", pattern]:
            await sites.add_origin(_site(site), pattern)
            return await sites.site(_site(site))
        case ["origins", site, "remove", pattern]:
            await sites.remove_origin(_site(site), pattern)
            return await sites.site(_site(site))
        case ["set", site, key, value]:
            return Verbatim({"site": _site(site), key: await sites.set(_site(site), key, value)})
        case ["settings"]:
            return await sites.settings(None)
        case ["settings", site]:
            return await sites.settings(_site(site))
        case ["rename", site, *name] if name:
            await sites.rename(_site(site), " ".join(name))
            return await sites.site(_site(site))
        case ["delete", site]:
            held = await sites.holdings(_site(site))
            name = shlex.quote(str(held["name"]))
            return {
                **held,
                "nothing_was_deleted": f"all of this goes, for good; to do it: site delete {_site(site)} {name}",
            }
        case ["delete", site, *name]:
            return await sites.delete(_site(site), " ".join(name))
        case [site] if site.isdigit():
            return await sites.site(_site(site))
    raise _Usage


async def _ban(console: Console, words: Sequence[str]) -> Data:
    bans = _need(console.bans, "sites")
    match list(words):
        case ["list", site]:
            return await bans.bans(_site(site))
        case ["remove", site, kind, value]:
            known, value = _ban_value(kind, value)
            if not await bans.unban(_site(site), known, value):
                raise CommandError(f"site {site} has no ban of {known} {value}")
            return f"{known} {value} is no longer banned from site {site}"
        case [site, kind, value, *hours] if len(hours) <= 1 and site not in ("list", "remove"):
            known, value = _ban_value(kind, value)
            number, seconds = _site(site), _hours(hours[0]) if hours else None
            await bans.ban(number, known, value, seconds)
            return {"site": number, "kind": known, "value": value, "for_seconds": seconds}
    raise _Usage


def _ban_value(kind: str, value: str) -> tuple[BanKind, str]:
    match kind:
        case "ip":
            try:
                network = ip_network(value, strict=False)
            except ValueError:
                raise CommandError(f"{value} is no IP address or network") from None
            # A single address is shown without its mask, however it was typed.
            alone = network.num_addresses == 1
            return "ip", str(ip_address(network.network_address)) if alone else str(network)
        case "visitor":
            if not value.isascii() or not value.isdigit() or len(value) > 19:
                raise CommandError("a visitor is a number")
            return "visitor", value
        case "word":
            if not 2 <= len(value) <= 100 or not value.isprintable():
                raise CommandError("a word has 2 to 100 printable characters")
            return "word", value
    raise CommandError("a ban is of kind ip, visitor or word")


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 < hours <= MOST_BAN_HOURS:
        raise CommandError("HOURS is a number above 0")
    return hours * 3600


async def _usage(console: Console, words: Sequence[str]) -> Data:
    if not 1 <= len(words) <= 2:
        raise _Usage
    return await _need(console.usage, "sites").usage(_site(words[0]), words[1] if len(words) == 2 else "")


async def _outbox(console: Console, words: Sequence[str]) -> Data:
    area = _need(console.outbox, "outbox")
    match list(words):
        case []:
            return await area.waiting()
        case ["dead"]:
            return await area.dead()
        case ["retry", number]:
            if not await area.retry(_number(number, "ID", 1, 2**63 - 1)):
                raise CommandError(f"there is no dead letter {number}")
            return f"{number} is tried again"
    raise _Usage


async def _erase(console: Console, words: Sequence[str]) -> Data:
    if len(words) != 2:
        raise _Usage
    site, visitor = _site(words[0]), _number(words[1], "VISITOR", 1, 2**63 - 1)
    told = await _need(console.erasures, "erasures").erase(site, visitor)
    facts: Facts = {"site": site, "visitor": str(visitor), "events": told}
    return facts


async def _loglevel(console: Console, words: Sequence[str]) -> Data:
    if len(words) > 1:
        raise _Usage
    if words:
        if words[0] not in _LEVELS:
            raise CommandError(f"LEVEL is one of {', '.join(_LEVELS)}")
        logs.set_level(words[0])
        if console.workers is not None:
            await console.workers.set_level(words[0])
    level = logs.levels.logLevelForNamespace("")
    return {"level": level.name}


async def _gc(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    if console.workers is not None:
        return [{"worker": "parent", **console.process.collect()}, *await console.workers.collect()]
    return console.process.collect()


async def _workers(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    return _need(console.workers, "workers").workers()


async def _restart_workers(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    return _need(console.workers, "workers").restart()


async def _drain(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    return await console.process.drain()


async def _undrain(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    return await console.process.undrain()


async def _shutdown(console: Console, words: Sequence[str]) -> Data:
    _none(words)
    await console.process.shutdown()
    return "stopping"


async def _quit(console: Console, words: Sequence[str]) -> Data:
    raise Quit


def _none(words: Sequence[str]) -> None:
    if words:
        raise _Usage


_BAN_USAGE = "SITE ip|visitor|word VALUE [HOURS] | list SITE | remove SITE KIND VALUE"
_SITE_USAGE = (
    "[SITE | add [id=N] NAME ORIGIN... | origins SITE add|remove PATTERN | settings [SITE] | set SITE KEY VALUE | "
    "rename SITE NAME | delete SITE [NAME] | pin SITE DEPLOYMENT | unpin SITE]"
)

COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command("help", "[COMMAND]", "this list, or one command", _help),
        Command("status", "", "what is wrong now, then everything at a glance", _status),
        Command("problems", "", "what is wrong now, and what to do", overview.problems),
        Command("errors", "", "the latest warnings and errors of the log", overview.errors),
        Command("busiest", "[N]", "the busiest addresses and sites (20)", _busiest),
        Command("nodes", "[forget NODE]", "the cluster as this node sees it", _nodes, mutates=True),
        Command("sessions", "", "live connections by transport", _sessions),
        Command("channels", "[N]", "the busiest channels (20)", _channels),
        Command("cache", "", "what the caches hold and how they do", _cache),
        Command("evict", "SITE/CHANNEL | all", "drop cached answers of a channel, or all", _evict, mutates=True),
        Command("site", _SITE_USAGE, "list, show, make and change sites", _site_command, mutates=True),
        Command("ban", _BAN_USAGE, "bans of a site; without HOURS until removed", _ban, mutates=True),
        *account_commands.COMMANDS,
        Command("usage", "SITE [YYYY-MM]", "reads of a site in a month, and their credits", _usage),
        Command("outbox", "[dead | retry ID]", "work for other servers; what was given up", _outbox, mutates=True),
        Command("erase", "SITE VISITOR", "forget a visitor: comments, name, address, votes", _erase, mutates=True),
        Command("loglevel", "[debug|info|warn|error]", "show or set what is logged", _loglevel, mutates=True),
        Command("gc", "", "full garbage collection; the process stands still meanwhile", _gc, mutates=True),
        Command("drain", "", "turn unready, leave DNS, move clients; stay up", _drain, mutates=True),
        Command("undrain", "", "take visitors again", _undrain, mutates=True),
        Command("workers", "", "the processes that serve", _workers),
        Command("restart-workers", "", "replace them one by one, losing nothing", _restart_workers, mutates=True),
        Command("quit", "", "end this telnet session", _quit),
        Command("shutdown", "", "orderly stop of the daemon", _shutdown, mutates=True),
    )
}


def table(console: Console) -> Mapping[str, Command]:
    """All commands by name, those of features behind the core's."""
    return {**COMMANDS, **{command.name: command for command in console.commands}}


def find(console: Console, name: str) -> Command:
    """The command called *name*.

    Raises:
        CommandError: unknown command; the message suggests a similar name.
    """
    commands = table(console)
    command = commands.get(name)
    if command is None:
        from difflib import get_close_matches

        close = get_close_matches(name, commands, 1)
        hint = f"did you mean {close[0]}?" if close else "try help"
        raise CommandError(f"unknown command {name[:40]!r}; {hint}")
    return command


class Runner:
    """Runs command lines on a `Console`: parses words, reports wrong usage, limits time, and writes audit log lines.

    Args:
        expected: errors of the areas that are reported without a traceback (``DatabaseError``, for example).
        timeout: seconds after which a command is no longer waited for. It is not cancelled: its database queries may
            still take effect.
    """

    def __init__(
        self,
        console: Console,
        clock: IReactorTime,
        metrics: Metrics,
        *,
        expected: tuple[type[Exception], ...] = (),
        timeout: float = 30.0,
    ) -> None:
        self._console = console
        self._clock = clock
        self._expected = expected
        self._timeout = timeout
        self._runs = metrics.counter("admin_commands", "Operator commands run.", ["command", "outcome"])

    def knows(self, line: str) -> bool:
        """Whether the line's first word is a command."""
        words = line.split(None, 1)
        return bool(words) and words[0] in table(self._console)

    async def run(self, line: str, who: str) -> Data:
        """Run one line for *who* (a name for the audit log).

        Raises:
            CommandError: failed; one line of explanation.
            Quit: the line was ``quit``.
        """
        if len(line) > LONGEST_LINE:
            raise CommandError("the line is too long")
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise CommandError(str(error).lower()) from None
        if not words:
            raise CommandError("no command; try help")
        command = find(self._console, words[0])
        note = log.info if command.mutates else log.debug
        operator.set(who)
        note("operator {who}: {line}", who=who, line=shlex.join(_without_secrets(words))[:200])
        try:
            data = await self._within(command.run(self._console, words[1:]))
        except Quit:
            raise
        except _Usage:
            self._runs.labels(command.name, "refused").inc()
            raise CommandError(f"usage: {command.name} {command.usage}".rstrip()) from None
        except CommandError:
            self._runs.labels(command.name, "refused").inc()
            raise
        except self._expected as error:
            self._runs.labels(command.name, "failed").inc()
            raise CommandError(one_line(error)) from None
        except Exception as error:
            self._runs.labels(command.name, "failed").inc()
            log.failure("operator command {command} failed", command=command.name)
            raise CommandError(f"{one_line(error)} (traceback in the log)") from None
        self._runs.labels(command.name, "done").inc()
        return data

    def _within(self, work: Awaitable[Data]) -> Deferred[Data]:
        outcome: Deferred[Data] = Deferred()
        late = self._clock.callLater(
            self._timeout,
            lambda: outcome.errback(CommandError(f"no answer for {self._timeout:g} s; it may yet happen")),
        )

        def settle(result: object) -> None:
            if late.active():
                late.cancel()
                outcome.callback(result)  # type: ignore[arg-type]

        Deferred.fromCoroutine(work).addBoth(settle)  # type: ignore[arg-type]
        return outcome


def _without_secrets(words: Sequence[str]) -> Sequence[str]:
    # ``site set 1 webhook_secret X``: the words after the name of a secret are not logged.
    for number, word in enumerate(words):
        if any(name in word.lower() for name in ("secret", "password", "token")):
            name, equals, _ = word.partition("=")
            shown = f"{name}=***" if equals else word
            return [*words[:number], shown, *(["***"] if words[number + 1 :] else [])]
    return words


def one_line(error: BaseException) -> str:
    """*error* as one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
