"""A database belongs to one deployment: the daemon of another deployment neither changes nor reads it."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg2
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IReactorTime

from cackled.database._txpostgres import Connection, first_line
from cackled.database.dsn import connection_dsn
from cackled.database.errors import DatabaseError

# This only reads. A database without the table is not one of ours, or is older than deployments are.
_LOOK = "select to_regclass('catalog.deployment') is not null"
_NAME = "select name, pg_is_in_recovery() from catalog.deployment"


class ForeignDatabase(DatabaseError):
    """The database belongs to another deployment; the message is one line for the operator."""


async def check_belongs(dsns: Sequence[str], deployment: str, *, clock: IReactorTime) -> None:
    """Check that no server has the database of another deployment. Servers that can't be reached are skipped.

    Raises:
        ForeignDatabase
    """
    for dsn in dsns:
        connection = await _connect(dsn, clock)
        if connection is None:
            continue
        try:
            if (await connection.run(_LOOK))[0][0]:
                for name, _ in await connection.run(_NAME):
                    _compare(name, deployment)
        except psycopg2.Error:
            pass
        finally:
            connection.close()


async def claim(dsns: Sequence[str], deployment: str, *, clock: IReactorTime) -> None:
    """Record on each primary that has no such record yet that it belongs to *deployment*.

    Call it after the migrations. A server that lacks them, or can't be reached, is skipped.

    Raises:
        ForeignDatabase: another deployment was faster.
        DatabaseError: a server failed.
    """
    for dsn in dsns:
        connection = await _connect(dsn, clock)
        if connection is None:
            continue
        try:
            replica, ours = (await connection.run(_LOOK.replace("select", "select pg_is_in_recovery(),")))[0]
            if ours and not replica:
                _compare((await connection.run("select catalog.belongs(%s)", (deployment,)))[0][0], deployment)
        except psycopg2.Error as error:
            raise DatabaseError(f"deployment: {first_line(error)}") from None
        finally:
            connection.close()


def _compare(name: str, deployment: str) -> None:
    if name != deployment:
        raise ForeignDatabase(
            f"the database belongs to deployment {name!r}, this node to {deployment!r}: one of the two is not right"
        )


async def _connect(dsn: str, clock: IReactorTime) -> Connection | None:
    connection = Connection(clock)
    try:
        return await connection.open(connection_dsn(dsn, application="cackled start")).addTimeout(10.0, clock)
    except (psycopg2.Error, OSError, TimedOut):
        connection.close()
        return None
