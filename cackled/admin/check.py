"""``cackled check-config``: builds what the daemon would build without starting it, and reports errors.

Part of the command line, like `cackled.admin.cli`; imports are done when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cackled.config import Config, ConfigError, Node


def check(config: Config) -> None:
    """Check the whole configuration.

    Raises:
        ConfigError: one line about the first error.
    """
    from cackled.admin import http
    from cackled.admin.manhole import ManholeFactory
    from cackled.database.dsn import servers_of, shards_of

    if config.manhole.enabled:
        ManholeFactory.check(config.manhole.endpoint)
    http.check(config.admin.endpoint)
    servers_of(config.database)
    shards_of(config.database)
    if config.mesh.folder:
        from cackled.cluster.tls import Credentials

        Credentials(config.mesh.folder, config.node)
    if config.redis.url:
        from cackled.cluster.redis import Place

        Place(config.redis)
    if config.dns.enabled:
        from cackled.dns.zone import load_zone

        others = [one for one in config.deployments if one.name != config.deployment]
        load_zone(config.dns, config.nodes or (Node(name=config.node),), others)
        dns_keys(config)
    _check_parts(config)
    _check_files(config)


def _check_files(config: Config) -> None:
    """Check files that the daemon reads only later, while it runs or when it connects: they exist and are valid."""
    from psycopg2.extensions import parse_dsn

    from cackled.database.dsn import servers_of, shards_of

    for path in config.geo.files:
        import maxminddb

        try:
            maxminddb.open_database(path).close()
        except OSError as error:
            raise ConfigError(f"[geo] files: {path}: {error.strerror or error}") from None
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise ConfigError(f"[geo] files: {path} is no MMDB file: {error}") from None
    groups = [servers_of(config.database), *shards_of(config.database).values()]
    for server in (one for servers in groups for one in servers):
        given = parse_dsn(server.dsn)
        for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
            if given.get(name) and given[name] != "system" and not Path(given[name]).is_file():
                raise ConfigError(f"[database] the dsn of {server.name}: {name}: there is no file {given[name]}")
    folder = config.http.acme_folder
    if folder and not Path(folder).is_dir():
        raise ConfigError(f"[http] acme_folder: there is no folder {folder}")


def _check_parts(config: Config) -> None:
    """Build what the daemon would build, without starting it, to find the errors that it would stop at."""
    from twisted.internet import reactor

    from cackled.daemon.infrastructure import Infrastructure
    from cackled.domain.limits import within
    from cackled.features import registry
    from cackled.outbound.mail import Mailer
    from cackled.transport._limits import TrustedProxies
    from cackled.transport.tls import CertificateError

    infrastructure = Infrastructure(reactor, config)
    for listen in config.listen:
        try:
            infrastructure.endpoint(listen)
            TrustedProxies(listen.proxy)
        except CertificateError as error:
            raise ConfigError(str(error)) from None
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ConfigError(f"[[listen]] {listen.endpoint!r}: {error}") from None
    try:
        within(config.limits.exempt)
    except ValueError as error:
        raise ConfigError(f"[limits] exempt: {error}") from None
    registry().settings(config.products)
    if config.mail.host:
        Mailer(reactor, config.mail)


def dns_keys(config: Config) -> list[Any]:
    """The keys of ``[dns] keys``.

    Raises:
        ConfigError: a key is not usable.
    """
    from cackled.dns.keys import load as load_key

    try:
        return [load_key(path) for path in config.dns.keys]
    except ConfigError as error:
        raise ConfigError(f"dns.keys: {error}") from None
