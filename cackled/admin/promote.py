"""``cackled promote SERVER``: make a replica the primary and have the other replicas follow it.

Calls block: for the command line only. Each step is one SQL statement that can be run by hand as well (``--dry-run``
prints them all). A promotion is safe only if the old primary is dead and stays dead, which can't be seen from here; it
is refused while a primary answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from cackled.database.dsn import ServerSettings

CONNECT_SECONDS = 3
PROMOTE_SECONDS = 60
FOLLOW_SECONDS = 20.0
# Parts of a connection string that locate the server; the rest is about who connects.
PLACE = ("host", "hostaddr", "port")
LOCAL = ("", "localhost", "127.0.0.1", "::1")


class PromoteError(Exception):
    """The promotion was not done, or not completely; one line."""


class Place:
    """One server: its name, and a connection if it answers."""

    def __init__(self, given: ServerSettings, user: str) -> None:
        self.name = given.name
        self.given = {key: str(value) for key, value in parse_dsn(given.dsn).items()}
        more: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "dbname": "postgres"}
        if user:
            # Another user has another password: libpq finds it in PGPASSWORD or ~/.pgpass.
            more["user"] = user
            self.given.pop("password", None)
        self.wrong = ""
        self._connection: Any = None
        try:
            self._connection = psycopg2.connect(make_dsn(**{**self.given, **more}))
            self._connection.autocommit = True
            self.replica = bool(self.run("select pg_is_in_recovery()")[0][0])
        except psycopg2.Error as error:
            self.wrong = " ".join(str(error).split()) or "no connection"

    @property
    def up(self) -> bool:
        """Whether the server answers."""
        return not self.wrong

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run *sql*; returns the rows.

        Raises:
            PromoteError: the server refused it.
            psycopg2.Error: as above, before it is known whether the server is up.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description is not None else []

    def position(self) -> int:
        """The end of its write-ahead log in bytes: received or replayed, whichever is more."""
        sql = (
            "select greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), coalesce(pg_last_wal_replay_lsn(), '0/0'))"
            " - '0/0'::pg_lsn"
        )
        return int(self.run(sql)[0][0])


class Promotion:
    """Promote *name* of *servers*.

    Args:
        user: the user to connect as (a superuser); empty: as in the configuration.
        host: ``HOST`` or ``HOST:PORT`` at which the others reach the server; empty: the address we use.
        dry: print the statements, and change nothing.
        anyway: also if another primary answers, or if a replica with more data is left behind.
    """

    def __init__(
        self, servers: Sequence[ServerSettings], name: str, *, user: str = "", host: str = "", dry: bool = False,
        anyway: bool = False, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        if name not in {one.name for one in servers}:
            known = ", ".join(one.name for one in servers)
            raise PromoteError(f"there is no server {name} in [[database.server]]; there are: {known}")
        self._places = [Place(one, user) for one in servers]
        self._chosen = next(place for place in self._places if place.name == name)
        self._others = [place for place in self._places if place is not self._chosen]
        self._host = host
        self._dry = dry
        self._anyway = anyway
        self._say = say

    def run(self) -> None:
        """Run all steps.

        Raises:
            PromoteError: a step failed or was refused.
        """
        try:
            self._check()
            conninfo = self._conninfo()
            slots = [place.name for place in self._others]
            if self._chosen.replica:
                self._step(self._chosen, f"select pg_promote(true, {PROMOTE_SECONDS})")
                if not self._dry and self._chosen.run("select pg_is_in_recovery()")[0][0]:
                    raise PromoteError(f"{self._chosen.name} is no primary after {PROMOTE_SECONDS} s; look at its log")
            else:
                self._say(f"{self._chosen.name} is the primary already; the others are made to follow it")
            for slot in slots:
                self._step(self._chosen, _SLOT.format(slot=_quoted(_slot_name(slot))))
            followers = [place for place in self._others if place.up and place.replica]
            for place in followers:
                self._follow(place, conninfo)
            self._wait(followers)
            self._advise(conninfo)
        except psycopg2.Error as error:
            raise PromoteError(" ".join(str(error).split())) from None

    def _check(self) -> None:
        chosen = self._chosen
        if not chosen.up:
            raise PromoteError(f"{chosen.name} does not answer: {chosen.wrong}")
        if not chosen.run("select rolsuper from pg_roles where rolname = current_user")[0][0]:
            raise PromoteError(
                "this takes a superuser of PostgreSQL: --user postgres (its password from PGPASSWORD or ~/.pgpass)"
            )
        primaries = [place.name for place in self._others if place.up and not place.replica]
        if primaries and not self._anyway:
            raise PromoteError(
                f"{', '.join(primaries)} is up and is a primary: stop it first, and see that it stays down (--anyway:"
                " do it all the same, and what is written there from now on is lost)"
            )
        for place in self._others:
            if not place.up:
                self._say(f"{place.name} does not answer: {place.wrong}")
        if chosen.replica:
            mine = chosen.position()
            ahead = [
                place.name for place in self._others if place.up and place.replica and place.position() > mine
            ]
            if ahead and not self._anyway:
                raise PromoteError(
                    f"{', '.join(ahead)} has more of the log than {chosen.name}: promote that one, or with --anyway"
                    " lose what it has more"
                )

    def _conninfo(self) -> dict[str, str]:
        """The connection parameters at which the others reach the new primary."""
        if self._host:
            host, colon, port = self._host.rpartition(":")
            if not colon or not port.isascii() or not port.isdigit():
                host, port = self._host, ""
            return {"host": host.strip("[]"), **({"port": port} if port else {})}
        found = {key: self._chosen.given[key] for key in PLACE if key in self._chosen.given}
        away = [place for place in self._others if place.given.get("host", "") not in LOCAL]
        here = found.get("hostaddr", found.get("host", ""))
        if (here in LOCAL or here.startswith("/")) and (away or not here or here.startswith("/")):
            raise PromoteError(
                f"the others can't reach {self._chosen.name} at {here or 'a local socket'}: say where they do,"
                " --host HOST[:PORT]"
            )
        return found

    def _follow(self, place: Place, where: dict[str, str]) -> None:
        old = {key: str(value) for key, value in parse_dsn(place.run("show primary_conninfo")[0][0]).items()}
        for key in PLACE:
            old.pop(key, None)
        # Its user name and certificates stay as they are.
        new = make_dsn(**{**old, **where, "application_name": old.get("application_name", place.name)})
        hidden = make_dsn(**{**parse_dsn(new), "password": "***"}) if "password" in old else new
        self._step(
            place, f"alter system set primary_conninfo = {_quoted(new)}",
            f"alter system set primary_conninfo = {_quoted(hidden)}",
        )  # fmt: skip
        self._step(place, f"alter system set primary_slot_name = {_quoted(_slot_name(place.name))}")
        self._step(place, "select pg_reload_conf()")

    def _step(self, place: Place, sql: str, shown: str = "") -> None:
        self._say(f"{place.name}: {shown or sql};")
        if not self._dry:
            place.run(sql)

    def _wait(self, followers: list[Place]) -> None:
        if self._dry or not followers:
            return
        end = time.monotonic() + FOLLOW_SECONDS
        while True:
            rows = self._chosen.run("select slot_name from pg_replication_slots where active")
            active = {row[0] for row in rows}
            late = [place.name for place in followers if _slot_name(place.name) not in active]
            if not late:
                self._say(f"{', '.join(place.name for place in followers)} follows {self._chosen.name}")
                return
            if time.monotonic() > end:
                raise PromoteError(
                    f"{self._chosen.name} is promoted, but {', '.join(late)} does not follow it yet: look at the log of"
                    " its PostgreSQL (a way that is closed in pg_hba.conf, a wrong --host, log that is gone)"
                )
            time.sleep(0.2)

    def _advise(self, where: dict[str, str]) -> None:
        if self._dry:
            return
        wanted = self._chosen.run("show synchronous_standby_names")[0][0]
        if wanted:
            self._say(f"commits wait for synchronous_standby_names = {wanted!r}: see that one of them is up")
        away = [place for place in self._others if not place.up or not place.replica]
        for place in away:
            target = make_dsn(**{**where, "user": "replicator", "application_name": place.name})
            self._say(
                f"to bring {place.name} back, its PostgreSQL stopped and its data directory removed, as its user:\n"
                f"  pg_basebackup -D DIRECTORY -R -X stream -c fast -S {_slot_name(place.name)} -d {_quoted(target)}"
            )


_SLOT = (
    "select pg_create_physical_replication_slot({slot}, true) where not exists"
    " (select from pg_replication_slots where slot_name = {slot})"
)


def _slot_name(name: str) -> str:
    """A server's name in the form that PostgreSQL accepts for a replication slot."""
    return "".join(one if one.isascii() and (one.isalnum() or one == "_") else "_" for one in name.lower())[:63]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
