"""Connection strings: what the configuration gives, and what every connection of ours adds to it.

Database: imports psycopg2's parser and cackled.config.
"""

from __future__ import annotations

from pathlib import Path

import psycopg2
from msgspec import Struct
from psycopg2.extensions import make_dsn, parse_dsn

from cackled import config

APP_ROLE = "cackled_app"
SYSTEM_ROLE = "cackled_system"


class ServerSettings(Struct, frozen=True):
    """One server: its name in metrics and answers, how to reach it, and whether it is this node's own."""

    name: str
    dsn: str
    local: bool = False


def servers_of(settings: config.Database, embedded: str = "") -> tuple[ServerSettings, ...]:
    """The servers that ``[database]`` names; *embedded* is the DSN of our own server, taken where it names none.

    Raises:
        config.ConfigError: a DSN can't be parsed, or the password file can't be read.
    """
    password = ""
    if settings.password_file:
        try:
            password = Path(settings.password_file).read_text().strip()
        except OSError as error:
            raise config.ConfigError(f"{settings.password_file}: {error.strerror or error}") from None
    if settings.server:
        given = [(server.name or f"server{n}", server.dsn, server.local) for n, server in enumerate(settings.server, 1)]
        if len({name for name, _, _ in given}) < len(given):
            raise config.ConfigError("[[database.server]]: two servers share a name")
    else:
        given = [("primary", settings.dsn, False)] if settings.dsn else [("embedded", embedded, False)]
    made = []
    for name, dsn, local in given:
        try:
            made.append(ServerSettings(name, make_dsn(dsn, **({"password": password} if password else {})), local))
        except psycopg2.Error as error:
            # The message may quote the DSN, and a DSN may hold a password.
            raise config.ConfigError(f"[database] the dsn of {name} can't be parsed") from error
    return tuple(made)


def connection_dsn(
    dsn: str,
    *,
    role: str = "",
    statement_timeout: float = 0.0,
    connect_timeout: float = 3.0,
    application: str = "cackled",
) -> str:
    """*dsn* with keepalives, time limits and the role that every session starts in (seconds; 0: no limit)."""
    given = parse_dsn(dsn)
    limit = f"-c statement_timeout={statement_timeout * 1000:.0f}"
    options = [given.pop("options", ""), "-c client_min_messages=error", limit]
    if role:
        options.append(f"-c role={role}")
    more: dict[str, object] = {
        "connect_timeout": max(2, round(connect_timeout)),
        "keepalives": 1,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "application_name": application,
        "client_encoding": "UTF8",
        "gssencmode": "disable",
        **given,
        "options": " ".join(options).strip(),
    }
    return make_dsn("", **more)
