"""The ``cackled`` program: run the daemon, check its configuration, send it commands, follow a channel.

A subcommand imports what it needs when it runs, so that ``--version`` is fast and no reactor is installed too early.
Errors are one line on standard error and exit status 1.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cackled import __version__
from cackled.admin import cluster_cli, transfer
from cackled.admin.cluster_cli import CliError
from cackled.config import Config, ConfigError, load

DEFAULT_FILE = "cackled.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options) or 0)
    except (CliError, ConfigError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the pipe has closed it.
        sys.stderr.close()
        return 0


def _fail(message: str) -> int:
    print(f"cackled: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cackled", description="Live comments for web sites, from one daemon.")
    parser.add_argument("--version", action="version", version=f"cackled {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[Any], int | None], text: str, *, file: bool = True) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(run=run)
        if file:
            one.add_argument("-c", "--config", metavar="FILE", help=f"default: ./{DEFAULT_FILE} where it is")
        return one

    add("run", _run, "run the daemon in the foreground")
    check = add("check-config", _check_config, "read a configuration and say what is wrong", file=False)
    check.add_argument("config", metavar="FILE", nargs="?")
    add("default-config", _default_config, "print a configuration with all defaults, commented", file=False)
    migrate = add("migrate", _migrate, "bring the database's schema up to date")
    migrate.add_argument("--check", action="store_true", help="only list what is missing; exit status 1 if anything is")
    copy = add("backup", _backup, "copy the embedded server's database into a new folder or .tar; the daemon may run")
    copy.add_argument("folder", metavar="PATH", help="a folder, or with .tar at its end one file; not there yet")
    back = add("restore", _restore, "make the embedded server's database from a backup, in an empty state folder")
    back.add_argument("folder", metavar="PATH")
    sound = add("verify-backup", _verify_backup, "read a backup to its end and say whether it is whole")
    sound.add_argument("folder", metavar="PATH")
    admin = add("admin", _admin, "run an operator command in the daemon (try: cackled admin help)")
    admin.add_argument("--json", action="store_true", help="print the answer as JSON")
    admin.add_argument("--role", metavar="ROLE", help="for account add: owner, admin, moderator, operator, analyst")
    admin.add_argument("--site", metavar="N", help="for account add: the site")
    admin.add_argument("words", metavar="WORD", nargs="+")
    spam = add("spam", _spam, "how good a site's spam filter is, by the site's own decisions")
    spam.add_argument("act", choices=("evaluate", "show"))
    spam.add_argument("--site", metavar="N", required=True)
    spam.add_argument("--json", action="store_true", help="print the answer as JSON")
    status = add("status", _admin, "show the daemon, and the whole cluster, at a glance (admin status)")
    status.add_argument("--json", action="store_true", help="print the answer as JSON")
    status.set_defaults(words=["status"], role=None, site=None)
    tail = add("tail", _tail, "follow a channel and print its events, one JSON object a line")
    tail.add_argument(
        "channel", metavar="SITE/CHANNEL", help="id, key or page's address; with @SEQ after an id, from there on"
    )
    tail.add_argument("--url", help="ws:// or wss:// address of a server; default: the first [[listen]]")
    tail.add_argument("--origin", help="Origin header to send, as a page of the site would")
    tail.add_argument("--token", help="for private channels")
    geo = add("geo", _geo, "look an address up in the geographic index, or build the index")
    geo.add_argument("action", choices=("lookup", "build"))
    geo.add_argument("address", nargs="?")
    zone = add("dns", _dns, "make a key that signs the DNS zone, or show the DS records that the parent zone needs")
    zone.add_argument("action", choices=("key", "ds"))
    zone.add_argument("path", metavar="FILE", nargs="?", help="where the new key goes")
    zone.add_argument("--algorithm", choices=("ed25519", "p256"), default="p256", help="default: p256")
    mesh = commands.add_parser("mesh", help="certificates for the links between nodes")
    acts = mesh.add_subparsers(metavar="ACTION", required=True)
    init = acts.add_parser("init-ca", help="make the private authority: ca.pem for every node, ca.key for nobody")
    init.add_argument("folder", metavar="DIR")
    init.set_defaults(run=_mesh_init)
    issue = acts.add_parser("issue", help="make NAME.pem and NAME.key for a node")
    issue.add_argument("name", metavar="NAME", help="the node's name in [[nodes]]")
    issue.add_argument("--days", type=int, metavar="N", help="how long it is good (397)")
    issue.add_argument("--dir", metavar="DIR", default="mesh", help="where the authority is (./mesh)")
    issue.set_defaults(run=_mesh_issue)
    shard = commands.add_parser("shard", help="databases that hold sites, and moving sites between them")
    acts = shard.add_subparsers(metavar="ACTION", required=True)
    for name, text in (
        ("list", "the shards, their sites, and the move that is under way"),
        ("add", "make a database a shard; may be repeated"),
        ("move", "move sites to another shard while they are read and written"),
        ("resume", "go on with a move that was broken off"),
        ("abort", "give a move up; the sites stay where they were"),
    ):
        act = acts.add_parser(name, help=text, description=text)
        act.add_argument("-c", "--config", metavar="FILE", help=f"default: ./{DEFAULT_FILE} where it is")
        act.set_defaults(run=_shard, action=name)
        if name == "add":
            act.add_argument("number", metavar="N", type=int, help="of a [[database.shard]]")
        if name == "abort":
            act.add_argument("--without-target", action="store_true", help="the target is gone for good")
        if name == "move":
            act.add_argument("sites", metavar="SITES", help="3,7,10-20")
            act.add_argument("--to", metavar="N", type=int, required=True, help="the shard to move them to")
            act.add_argument("--anyway", action="store_true", help="also where a node seems not to know the shard")
    cluster_cli.add(add)
    transfer.add(add, _import, _export, _person)
    return parser


def _load(options: Any) -> Config:
    return load(_path(options))


def _path(options: Any) -> str | None:
    if options.config is None and Path(DEFAULT_FILE).is_file():
        return DEFAULT_FILE
    return str(options.config) if options.config is not None else None


def _check_config(options: Any) -> None:
    from cackled.admin.check import check

    check(_load(options))
    print("ok")


def _default_config(options: Any) -> None:
    from cackled.admin.defaults import render
    from cackled.features import registry

    made = registry()
    print(render(made.setting_kinds, made.default_limits), end="")


def _run(options: Any) -> int:
    from twisted.scripts import twistd

    import twisted.plugins

    # In a checkout twistd would find the plugin only from that folder.
    plugins = str(Path(__file__).parents[2] / "twisted" / "plugins")
    if plugins not in twisted.plugins.__path__:
        twisted.plugins.__path__.append(plugins)
    path = _path(options)
    # Report a configuration error in one line; twistd would add its usage text.
    load(path)
    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "cackled", *(["--config", path] if path is not None else [])]
    twistd.run()
    return 0


def _admin(options: Any) -> None:
    import msgspec

    from cackled.admin.client import AdminError, send

    words = options.words
    # One quoted argument is a whole command line; several are its words.
    line = words[0] if len(words) == 1 else shlex.join(words)
    for name in ("role", "site"):
        if getattr(options, name) is not None:
            line += f" --{name} {shlex.quote(getattr(options, name))}"
    try:
        answer = send(_load(options), line)
    except AdminError as error:
        raise CliError(str(error)) from None
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(answer["data"])).decode())
    else:
        print(answer["text"])


def _spam(options: Any) -> None:
    options.words = ["spam", options.act, options.site]
    options.role = options.site = None
    _admin(options)


def _migrate(options: Any) -> int:
    from cackled.database.deployment import check_belongs
    from cackled.database.dsn import ServerSettings, servers_of, shards_of
    from cackled.database.errors import DatabaseError
    from cackled.database.migrate import migrate, pending
    from cackled.features import registry

    config = _load(options)
    if not config.database.dsn and not config.database.server:
        raise CliError("the embedded server is migrated by the daemon when it starts")
    groups = [servers_of(config.database), *shards_of(config.database).values()]
    packages = registry().sql

    async def work(reactor: Any) -> int:
        return max([await one(servers, reactor) for servers in groups])

    async def one(servers: Sequence[ServerSettings], reactor: Any) -> int:
        failures: list[str] = []
        try:
            await check_belongs([server.dsn for server in servers], config.deployment, clock=reactor)
        except DatabaseError as error:
            raise CliError(str(error)) from None
        for server in servers:
            try:
                if options.check:
                    missing = await pending(server.dsn, clock=reactor, packages=packages)
                    print("\n".join(missing) if missing else "up to date")
                    return 1 if missing else 0
                applied = await migrate(server.dsn, clock=reactor, progress=print, packages=packages)
                print(f"applied {len(applied)}" if applied else "up to date")
                return 0
            except DatabaseError as error:
                # A replica is read-only and a server may be down, so try all until one is the primary.
                failures.append(f"{server.name}: {' '.join(str(error).split())}")
        raise CliError("; ".join(failures))

    return _react(work)


def _shard(options: Any) -> int:
    from cackled.admin.shards import work
    from cackled.database.embedded import EmbeddedError, EmbeddedServer
    from cackled.database.errors import DatabaseError
    from cackled.features import registry

    config = _load(options)

    async def run(reactor: Any) -> int:
        embedded = ""
        if not config.database.dsn and not config.database.server:
            own = EmbeddedServer(reactor, Path(config.state).absolute())
            if not own.attach():
                raise CliError("the embedded server runs with the daemon: start that first")
            embedded = own.dsn
        say, products = partial(print, flush=True), registry()
        await work(options, config, embedded, reactor, say, products.counted, products.sql)
        return 0

    try:
        return _react(run)
    except (DatabaseError, EmbeddedError) as error:
        raise CliError(str(error)) from None


def _import(options: Any) -> int:
    return _transfer(options, transfer.bring)


def _export(options: Any) -> int:
    return _transfer(options, transfer.take_out)


def _person(options: Any) -> int:
    return _transfer(options, transfer.give_out)


def _transfer(options: Any, work: Callable[..., Awaitable[None]]) -> int:
    from cackled.database.embedded import EmbeddedError
    from cackled.database.errors import DatabaseError
    from cackled.features import registry

    config = _load(options)

    async def run(reactor: Any) -> int:
        await transfer.with_site(options, config, reactor, registry(), work)
        return 0

    try:
        return _react(run)
    except (DatabaseError, EmbeddedError, transfer.TransferError) as error:
        raise CliError(str(error)) from None


def _backup(options: Any) -> int:
    from cackled.database.backup import backup
    from cackled.features import registry

    async def work(reactor: Any) -> int:
        made = await backup(reactor, _own_state(options), Path(options.folder), print, registry().counted)
        print(f"{options.folder}: {made.holds}, {made.bytes / 1e6:.1f} MB")
        return 0

    return _copying(work)


def _restore(options: Any) -> int:
    from cackled.database.backup import restore
    from cackled.features import registry

    async def work(reactor: Any) -> int:
        state = _own_state(options)
        deployment, packages = _load(options).deployment, registry().sql
        made = await restore(reactor, Path(options.folder), state, print, deployment, packages)
        print(f"{state}: {made.holds} as of {made.made}; start the daemon")
        return 0

    return _copying(work)


def _verify_backup(options: Any) -> int:
    from cackled.database.backup import verify
    from cackled.features import registry

    async def work(reactor: Any) -> int:
        state = Path(_load(options).state).absolute()
        made = await verify(reactor, Path(options.folder), state, print, registry().sql)
        print(f"{options.folder} is whole: {made.holds} as of {made.made}, schema {made.schema:04d}")
        return 0

    return _copying(work)


def _own_state(options: Any) -> Path:
    config = _load(options)
    if config.database.dsn or config.database.server:
        raise CliError("that is for the embedded server; see docs/operations.md for PostgreSQL of your own")
    return Path(config.state).absolute()


def _copying(work: Callable[[Any], Awaitable[int]]) -> int:
    from cackled.database.backup import BackupError, EmbeddedError

    try:
        return _react(work)
    except (BackupError, EmbeddedError) as error:
        raise CliError(str(error)) from None


def _tail(options: Any) -> int:
    from cackled.admin.endpoints import parse
    from cackled.admin.tail import Follower, Refused, follow
    from cackled.domain.commands import CommandError, parse_channel

    try:
        position = parse_channel(options.channel)
    except CommandError as error:
        raise CliError(str(error)) from None
    url = options.url
    if url is None:
        place = parse(_load(options).listen[0].endpoint, "[[listen]] endpoint")
        url = f"ws://{place.host or '127.0.0.1'}:{place.port}"

    def show(line: str) -> None:
        print(line, flush=True)

    def note(line: str) -> None:
        print(f"cackled: {line}", file=sys.stderr, flush=True)

    async def work(reactor: Any) -> int:
        follower = Follower(position, show=show, note=note)
        try:
            await follow(reactor, follower, url, token=options.token, origin=options.origin, note=note)
        except Refused as error:
            raise CliError(str(error)) from None
        return 0

    return _react(work)


def _geo(options: Any) -> int:
    from cackled.geo.build import BuildError, Job, build
    from cackled.geo.index import DamagedIndex
    from cackled.geo.index import load as load_index

    config = _load(options)
    path = Path(config.state) / "geo.gix"
    if options.action == "build":
        if not config.geo.files:
            raise CliError("[geo] names no files")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            header = build(Job(config.geo, config.nodes), path)
        except (BuildError, OSError) as error:
            raise CliError(" ".join(str(error).split())) from None
        print(f"{path}: {header.blocks4 + header.blocks6} blocks, {len(header.classes)} classes of places")
        return 0
    if options.address is None:
        raise CliError("geo lookup needs an address")
    try:
        number, scope, order = load_index(path).lookup_text(options.address)
    except (DamagedIndex, ValueError) as error:
        raise CliError(" ".join(str(error).split())) from None
    print(f"{options.address}/{scope} is of class {number}: " + "; then ".join(", ".join(group) for group in order))
    return 0


def _dns(options: Any) -> int:
    from cackled.dns.keys import NAMES, make
    from cackled.dns.wire import pack_name

    config = _load(options)
    if options.action == "key":
        if options.path is None:
            raise CliError("dns key needs a file to put the key into")
        keys = [make(options.path, NAMES[options.algorithm])]
    else:
        from cackled.admin.check import dns_keys

        keys = dns_keys(config)
        if not keys:
            raise CliError("[dns] keys names no files: nothing is signed")
    for key in keys:
        print("\n".join(key.describe(pack_name(config.dns.origin))))
    return 0


def _mesh_init(options: Any) -> None:
    from cackled.cluster.ca import CA_KEY, CaError, init_ca

    try:
        path = init_ca(Path(options.folder))
    except CaError as error:
        raise CliError(str(error)) from None
    print(f"{path}: for every node. {path.with_name(CA_KEY)}: keep it off the nodes; it makes new ones.")


def _mesh_issue(options: Any) -> None:
    from cackled.cluster.ca import CA_CERTIFICATE, NODE_DAYS, CaError, issue

    try:
        path = issue(Path(options.dir), options.name, days=NODE_DAYS if options.days is None else options.days)
    except CaError as error:
        raise CliError(str(error)) from None
    print(f"{path}, {path.with_suffix('.key').name}: for node {options.name} alone, with {CA_CERTIFICATE}")


def _react(work: Callable[[Any], Awaitable[int]]) -> int:
    """Run *work* on the monotonic reactor until it is done or interrupted."""
    from cackled.clock import install_monotonic_reactor

    install_monotonic_reactor()
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.error import ReactorNotRunning
    from twisted.python.failure import Failure

    clock: Any = reactor
    outcome: list[Any] = []

    def over(result: object) -> None:
        outcome.append(result)
        try:
            clock.stop()
        except ReactorNotRunning:
            pass

    async def call() -> int:
        return await work(clock)

    def begin() -> None:
        Deferred.fromCoroutine(call()).addBoth(over)

    clock.callWhenRunning(begin)
    clock.run()
    if not outcome:
        return 130
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return int(outcome[0])


if __name__ == "__main__":
    sys.exit(main())
