"""``cackled import`` and ``cackled export``: what other systems have of a site comes in, what we have of it goes out.

Works directly on the database, with the configuration of the node it runs on; the daemons go on serving. Pages that are
open hear of what was imported once it is there.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cackled.config import Config

if TYPE_CHECKING:
    import argparse

    from cackled.database.routing import Database
    from cackled.domain.site import Site
    from cackled.importing.spool import Report
    from cackled.importing.store import Run


class TransferError(Exception):
    """It can't be done; the message is one line for the operator."""


def add(
    make: Callable[..., argparse.ArgumentParser], bring: Callable[[Any], int], take_out: Callable[[Any], int],
    person: Callable[[Any], int],
) -> None:  # fmt: skip
    """The commands' arguments."""
    one = make("import", bring, "bring comments or reviews of another system into a site; may be repeated and undone")
    text = "disqus, wxr, isso, remark42 ...; 'list' shows all; 'undo' takes one back, 'show' says how far one is"
    one.add_argument("format", metavar="FORMAT", help=text)
    one.add_argument("file", metavar="FILE", nargs="?", help="with undo and show: the number of the import")
    one.add_argument("--site", metavar="N", type=int)
    one.add_argument("--dry-run", action="store_true", help="only say what would come, what not, and why")
    one.add_argument("--map", metavar="FILE", help="CSV of old and new addresses; * stands for anything")
    one.add_argument("--host", metavar="URL", default="", help="what paths are on where the file says no host")
    one.add_argument("--by", choices=("address", "name"), default="address", help="what tells pages apart (address)")
    one.add_argument("--label", metavar="NAME", default="", help="whose file it is, where ids could be the same")
    one.add_argument("--zone", metavar="HOURS", type=float, default=0.0, help="of times that say none; east is above 0")
    one.add_argument("--without-spam", action="store_true", help="leave spam out")
    one.add_argument("--avatars", action="store_true", help="fetch pictures of authors, and keep them here")
    one.add_argument("--own", action="store_true", help="vouch that it is an export of this server")
    text = "fetch pictures in comments and photos of reviews, and keep them here; the daemon does it afterwards"
    one.add_argument("--pictures", "--photos", dest="photos", action="store_true", help=text)
    out = make("export", take_out, "write all comments, reviews, polls or follows of a site")
    out.add_argument("--site", metavar="N", type=int, required=True)
    out.add_argument("--format", choices=("jsonl", "wxr", "disqus", "csv", "follows"), required=True)
    out.add_argument("--product", metavar="NAME", default="comments")
    out.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    who = make("person", person, "all that is held of a visitor, as JSON; without one: what is stored of visitors")
    who.add_argument("visitor", metavar="VISITOR", nargs="?", help="the number of a visitor, as comments show it")
    who.add_argument("--site", metavar="N", type=int, required=True)


async def with_site(
    options: Any, config: Config, reactor: Any, registry: Any, work: Callable[..., Awaitable[None]]
) -> None:
    """Do *work* on the site that is named, with its database.

    Raises:
        TransferError: there is no such site, or what was asked for can't be done.
    """
    from cackled.database.dsn import servers_of, shards_of
    from cackled.database.embedded import EmbeddedServer
    from cackled.database.routing import Database
    from cackled.database.shards import ShardedDatabase
    from cackled.domain.residency import Residency
    from cackled.domain.sites import SiteDirectory
    from cackled.metrics import Metrics

    if options.run.__name__ == "_import" and options.format == "list":
        for name, (product, _, format) in sorted(registry.formats.items()):
            print(f"{name:14} {product:10} {format.title}")
        return
    if not options.site:
        raise TransferError("say which site: --site N")
    embedded = ""
    if not config.database.dsn and not config.database.server:
        own = EmbeddedServer(reactor, Path(config.state).absolute())
        if not own.attach():
            raise TransferError("the embedded server runs with the daemon: start that first")
        embedded = own.dsn
    servers, settings = servers_of(config.database, embedded), config.database
    given: dict[str, Any] = {
        "clock": reactor, "random": random.SystemRandom(), "metrics": Metrics(), "settings": settings,
    }  # fmt: skip
    database: Database = (
        ShardedDatabase(servers, shards_of(settings), **given) if settings.shard else Database(servers, **given)
    )
    try:
        await database.start()
        sites = SiteDirectory(
            database, Residency(config.deployment, config.deployments), shape=registry.settings(config.products)
        )
        await sites.refresh()
        site = sites.find(options.site)
        if site is None:
            raise TransferError(f"there is no site {options.site}")
        await work(options, config, reactor, registry, database, site)
    finally:
        await database.stop()


async def bring(options: Any, config: Config, reactor: Any, registry: Any, database: Database, site: Site) -> None:
    """``cackled import``."""
    from time import time

    from twisted.internet.threads import deferToThreadPool

    from cackled.importing.mapping import UrlMap
    from cackled.importing.records import BadFile
    from cackled.importing.run import Busy, Importing, Options, Stopped

    say = _progress()

    def in_thread(function: Callable[..., Any], *args: Any) -> Any:
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *args)

    work = Importing(
        site, database, in_thread, Path(config.state).absolute() / "imports", time, reactor, say=say
    )
    stopping = reactor.addSystemEventTrigger("before", "shutdown", work.stop)
    try:
        if options.format in ("undo", "show"):
            run = await work.runs.find(int(options.file)) if (options.file or "").isdigit() else None
            if run is None:
                raise TransferError("say which import: its number, as cackled import printed it")
            if options.format == "show":
                print("\n".join(shown(run)))
                return
            if run.format not in registry.formats:
                raise TransferError(f"nothing is known of format {run.format}")
            changed = await work.undo(run.id, registry.formats[run.format][1])
            print(f"import {run.id} is taken back, {changed} pages changed")
            return
        found = registry.formats.get(options.format)
        if found is None or not options.file:
            raise TransferError(f"FORMAT FILE: a format is one of {', '.join(sorted(registry.formats))}")
        product, imports, format = found
        urls = UrlMap()
        if options.map:
            with open(options.map, encoding="utf-8-sig", errors="replace", newline="") as file:
                urls = UrlMap.read(file)
        path = Path(options.file)
        chosen = Options(
            host=options.host, zone=int(options.zone * 3600), by=options.by, everything=not options.without_spam,
            label=options.label, avatars=options.avatars, photos=options.photos, own=options.own, urls=urls.digest,
        )  # fmt: skip
        number = await work.begin(product, format, path, chosen, dry=options.dry_run, who="console")
        report = await work.go(number, path, format, imports, urls)
        print("\n".join(told(report, number, options.dry_run)))
    except (BadFile, Busy) as error:
        raise TransferError(str(error)) from None
    except Stopped:
        raise TransferError("stopped; the same command goes on where it was") from None
    except OSError as error:
        raise TransferError(f"{error.filename}: {error.strerror}") from None
    finally:
        with suppress(ValueError):
            reactor.removeSystemEventTrigger(stopping)


def _progress() -> Callable[[str, int, int], None]:
    shown = [""]

    def say(what: str, done: int, of: int) -> None:
        line = f"{what} {done * 100 // of if of else 100} %"
        if line != shown[0] and sys.stderr.isatty():
            shown[0] = line
            print(f"\r{line:40}", end="", file=sys.stderr, flush=True)

    return say


def told(report: Report, number: int, dry: bool) -> list[str]:
    """A report as lines."""
    would = "would come" if dry else "came"
    lines = [f"{report.added} {would} on {report.pages} pages, {report.present} were there already"]
    for reason, count in sorted(report.left.items()):
        some = ", ".join(report.examples.get(reason, ())[:5])
        lines.append(f"  left out ({reason}): {count}" + (f", as {some}" if some else ""))
    for reason, count in sorted(report.changed.items()):
        lines.append(f"  changed ({reason}): {count}")
    if report.without_address:
        lines.append(f"  pages without address or name: {report.without_address}")
    for key, addresses in list(report.merged.items())[:10]:
        lines.append(f"  one page: {key} is {', '.join(addresses)}")
    if report.pictures:
        when = "" if dry else ", fetched by the daemon from now on"
        lines.append(f"  pictures in comments: {report.pictures}{when}")
    if not dry:
        lines.append(f"cackled import undo {number} --site N takes it back")
    return lines


def shown(run: Run) -> list[str]:
    """How far an import is, as lines."""
    from msgspec import json

    from cackled.importing.spool import Report

    lines = [f"import {run.id} of {run.name} ({run.format}): {run.state}" + (f", {run.error}" if run.error else "")]
    lines += told(json.decode(run.report, type=Report), run.id, run.dry)[: None if run.dry else -1]
    failed: dict[str, int] = json.decode(run.pictures_failed)
    if run.pictures:
        waiting = max(0, run.pictures - run.pictures_taken - sum(failed.values()))
        lines.append(f"  pictures: {run.pictures_taken} of {run.pictures} are here, {waiting} are still to be fetched")
    lines += [f"  pictures that stay links ({reason}): {count}" for reason, count in sorted(failed.items())]
    return lines


async def take_out(
    options: Any, config: Config, reactor: Any, registry: Any, database: Database, site: Site
) -> None:
    """``cackled export``."""
    export = registry.exports.get(options.product, {}).get(options.format)
    if export is None:
        raise TransferError(f"{options.product} can't be exported as {options.format}")
    target = Path(options.output) if options.output else None
    # What is there already stays until the new one is whole.
    part = None if target is None else target.with_name(target.name + ".part")
    try:
        with open(part, "wb") if part is not None else _standard() as file:
            async for piece in export.write(database, site, config.own_url.rstrip("/")):
                file.write(piece)
            file.flush()
        if part is not None and target is not None:
            part.replace(target)
    except OSError as error:
        raise TransferError(f"{error.filename or target or 'output'}: {error.strerror}") from None


async def give_out(
    options: Any, config: Config, reactor: Any, registry: Any, database: Database, site: Site
) -> None:
    """``cackled person``."""
    from cackled.domain.personal_data import CORE, collect

    if options.visitor is None:
        for one in (*CORE, *registry.held):
            print(f"{one.table:18} {one.until:28} {one.what}")
        return
    if not (options.visitor.isascii() and options.visitor.isdigit() and int(options.visitor) < 2**63):
        raise TransferError("VISITOR is a number, as comments show it")
    with _standard() as file:
        async for piece in collect(database, site.id, int(options.visitor), registry.held, config.own_url.rstrip("/")):
            file.write(piece)


def _standard() -> Any:
    return open(sys.stdout.fileno(), "wb", closefd=False)
