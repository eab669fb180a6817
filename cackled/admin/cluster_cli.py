"""The subcommands ``promote`` and ``dev-cluster`` of ``cackled``; part of `cackled.admin.cli`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cackled.config import load

DEFAULT_FILE = "cackled.toml"


class CliError(Exception):
    """An error, described in one line."""


def add(make: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommands; *make* is the parent's function and takes name, function and help text."""
    new = make("promote", promote, "make a replica the primary, and have the other replicas follow it")
    new.add_argument("server", metavar="SERVER", help="its name in [[database.server]]")
    new.add_argument("--user", default="", help="a superuser of PostgreSQL; default: as in the configuration")
    new.add_argument("--host", default="", metavar="HOST[:PORT]", help="where others reach it; default: as its dsn")
    new.add_argument("--dry-run", action="store_true", help="only print the statements")
    new.add_argument("--anyway", action="store_true", help="also where what is newest would be lost")
    dev = make(
        "dev-cluster", dev_cluster, "run three nodes on this machine, each with its PostgreSQL", file=False
    )
    dev.add_argument("--folder", help="keep everything there, these options too; default: a temporary folder")
    dev.add_argument("--synchronous", action="store_true", default=None, help="a commit waits for the first replica")
    dev.add_argument(
        "--port", metavar="NAME=N", action="append", help="http, admin, manhole, dns, mesh or postgres; may be repeated"
    )
    dev.add_argument("--extra", metavar="FILE", help="TOML that is added to the configuration of each daemon")


def promote(options: Any) -> None:
    """``cackled promote``."""
    from cackled.admin.promote import PromoteError, Promotion
    from cackled.database.dsn import servers_of, shards_of

    path = options.config if options.config is not None or not Path(DEFAULT_FILE).is_file() else DEFAULT_FILE
    settings = load(path).database
    given = [servers_of(settings), *shards_of(settings).values()]
    servers = next((some for some in given if options.server in [one.name for one in some]), given[0])
    try:
        Promotion(
            servers, options.server, user=options.user, host=options.host, dry=options.dry_run, anyway=options.anyway,
            say=lambda line: print(line, flush=True),
        ).run()  # fmt: skip
    except PromoteError as error:
        raise CliError(str(error)) from None


def dev_cluster(options: Any) -> int:
    """``cackled dev-cluster``."""
    from cackled.admin.devcluster import Cluster, ClusterError, Kept, ports_of, run
    from cackled.database.binaries import EmbeddedError

    folder = None if options.folder is None else Path(options.folder)
    try:
        kept = Kept() if folder is None else Kept.of(folder)
        kept = kept._replace(ports=ports_of(options.port or (), kept.ports))
        if options.extra is not None:
            kept = kept._replace(extra=Path(options.extra).read_text("utf-8"))
        if options.synchronous is not None:
            kept = kept._replace(synchronous=True)
        if folder is not None:
            kept.write(folder)
        return run(Cluster(folder, ports=kept.ports, extra=kept.extra, synchronous=kept.synchronous))
    except UnicodeDecodeError:
        raise CliError(f"{options.extra} is not UTF-8") from None
    except (ClusterError, EmbeddedError, OSError) as error:
        raise CliError(str(error)) from None
