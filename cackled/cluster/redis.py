"""A bus over Redis or Valkey: publish and subscribe, and token buckets in a script.

txredisapi speaks the protocol; connecting is ours, because its own reconnecting gives up for good after a drop during
AUTH, and its TLS verifies nothing unless told how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import txredisapi
from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.logger import Logger

from cackled import config
from cackled.clock import Periodic, sleep
from cackled.cluster.bus import Away, Limit
from cackled.config import ConfigError

CONNECT_SECONDS = 3.0
# Seconds between messages to ourselves, and how long they may fail before the connection counts as dead.
BEAT = 2.0
SILENCE = 6.0
BACKOFF_FIRST = 0.2
BACKOFF_MOST = 5.0

# Refills the tokens of each key by the elapsed time. A full key is deleted.
SCRIPT = b"""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = {}
for i, key in ipairs(KEYS) do
  local was = redis.call('HMGET', key, 'l', 't')
  local level = burst
  if was[1] then
    level = math.min(burst, tonumber(was[1]) + math.max(0, now - tonumber(was[2])) * rate)
  end
  level = math.max(-burst, level - tonumber(ARGV[i + 2]))
  redis.call('HSET', key, 'l', string.format('%.6f', level), 't', string.format('%.6f', now))
  redis.call('PEXPIRE', key, math.ceil((burst - level) / rate * 1000) + 1000)
  left[i] = string.format('%.6f', level)
end
return left
"""

log = Logger()


class _Commands(txredisapi.RedisProtocol):
    def connectionLost(self, why: Any) -> None:
        super().connectionLost(why)
        self.factory.lost(why)


class _Subscriber(txredisapi.SubscriberProtocol):
    def messageReceived(self, pattern: Any, channel: Any, message: Any) -> None:
        self.factory.heard(message)

    def connectionLost(self, why: Any) -> None:
        super().connectionLost(why)
        self.factory.lost(why)


class _Maker(Factory):
    """What txredisapi's protocols want of a factory."""

    noisy = False
    isLazy = False

    def __init__(self, kind: Any, username: str, password: str, heard: Callable[[bytes], None]) -> None:
        self._kind = kind
        self._who = {"username": username or None, "password": password or None}
        self.heard = heard
        self.over: Deferred[str] = Deferred()
        self._refused = ""

    def buildProtocol(self, addr: Any) -> Any:
        made = self._kind(charset=None, convertNumbers=False, **self._who)
        made.factory = self
        return made

    def stopTrying(self) -> None:
        """AUTH failed; the connection is closed next."""

    def connectionError(self, why: str) -> None:
        """Record the reason."""
        self._refused = why
        self.lost(None)

    def lost(self, why: Any) -> None:
        if not self.over.called:
            self.over.callback(self._refused or (why.getErrorMessage() if why is not None else "closed"))


class Place:
    """Where the server is and how to be let in, read from ``[redis]``.

    Raises:
        ConfigError: the URL is none of ours, holds a password, or a file can't be read.
    """

    def __init__(self, settings: config.Redis) -> None:
        try:
            url = urlsplit(settings.url)
            host, port = url.hostname or "", url.port
        except ValueError:
            raise ConfigError("[redis] url can't be parsed") from None
        if url.username or url.password:
            raise ConfigError("[redis] url holds a user or password: give username and password_file")
        self.tls = url.scheme in ("rediss", "valkeys")
        self.path = url.path if url.scheme == "unix" else ""
        self.host, self.port = host, port or 6379
        plain = url.scheme in ("redis", "valkey") or self.tls
        if url.query or not (self.path.startswith("/") if url.scheme == "unix" else plain and host):
            raise ConfigError(f"[redis] url {settings.url!r} is not redis://host:port, rediss:// or unix:///path")
        if plain and url.path.strip("/"):
            raise ConfigError("[redis] url names a database; there is no need for one")
        self.username = settings.username
        self.password = _read(settings.password_file, "password_file").strip() if settings.password_file else ""
        if settings.username and not self.password:
            raise ConfigError("[redis] username without password_file")
        self._options: Any = None
        if self.tls:
            trust = None
            if settings.ca_file:
                pem = _read(settings.ca_file, "ca_file")
                parts = [f"{part}-----END CERTIFICATE-----\n" for part in pem.split("-----END CERTIFICATE-----")[:-1]]
                try:
                    trust = trustRootFromCertificates([Certificate.loadPEM(part.encode()) for part in parts])
                except (SSL.Error, ValueError):
                    parts = []
                if not parts:
                    raise ConfigError(f"[redis] ca_file {settings.ca_file}: no certificate in it")
            self._options = optionsForClientTLS(self.host, trust)
        elif settings.ca_file:
            raise ConfigError("[redis] ca_file is for rediss:// only")

    def endpoint(self, reactor: Any) -> Any:
        """An endpoint that connects there."""
        if self.path:
            return UNIXClientEndpoint(reactor, self.path, CONNECT_SECONDS)
        tcp = HostnameEndpoint(reactor, self.host.encode(), self.port, CONNECT_SECONDS)
        return wrapClientTLS(self._options, tcp) if self._options is not None else tcp

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}{' over TLS' if self.tls else ''}"


def _read(path: str, key: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[redis] {key} {path}: {getattr(error, 'strerror', None) or 'not text'}") from None


class RedisBroker:
    """See `cackled.cluster.bus.Broker`. *prefix* begins all keys and channels: a user may be held to it."""

    def __init__(self, reactor: Any, random: Random, place: Place, prefix: str) -> None:
        self._reactor = reactor
        self._random = random
        self._place = place
        self._topic = f"{prefix}:bus".encode()
        self._keys = f"{prefix}:limit:".encode()
        self.connected = False
        self._heard: Callable[[bytes], None] = lambda body: None
        self._up: Callable[[], None] = lambda: None
        self._commands: Any = None
        self._heard_at = 0.0
        self._open: list[Any] = []
        self._running: Deferred[None] | None = None
        self._told: bool | None = None
        self._beat = Periodic(reactor, BEAT, self._look, "bus heartbeat")

    def start(self, heard: Callable[[bytes], None], up: Callable[[], None]) -> None:
        """See `Broker`."""
        self._heard, self._up = heard, up
        self._beat.start()
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(lambda f: None)

    async def stop(self) -> None:
        """See `Broker`."""
        running, self._running = self._running, None
        self._beat.stop()
        if running is not None:
            running.cancel()
        self._close()

    async def _run(self) -> None:
        delay = BACKOFF_FIRST
        while True:
            began = self._reactor.seconds()
            try:
                reason = await self._session()
            except Exception as error:
                reason = " ".join(str(error).split()) or type(error).__name__
            finally:
                self._close()
            if self._running is None:
                return
            self._tell(False, reason)
            if self._reactor.seconds() - began > BACKOFF_MOST * 2:
                delay = BACKOFF_FIRST
            await sleep(self._reactor, delay * self._random.uniform(0.5, 1.0))
            delay = min(BACKOFF_MOST, delay * 2)

    async def _session(self) -> str:
        """Connect, and stay connected until a connection is lost; returns the reason."""
        commands, over = await self._connect(_Commands)
        subscriber, cut = await self._connect(_Subscriber)
        await subscriber.subscribe([self._topic]).addTimeout(CONNECT_SECONDS, self._reactor)
        self._commands = commands
        self._heard_at = self._reactor.seconds()
        self.connected = True
        self._tell(True, "")
        self._up()
        lost: Deferred[str] = Deferred()

        def end(why: str) -> None:
            if not lost.called:
                lost.callback(why)

        over.addCallback(end)
        cut.addCallback(end)
        return await lost

    async def _connect(self, kind: Any) -> tuple[Any, Deferred[str]]:
        maker = _Maker(kind, self._place.username, self._place.password, self._message)
        protocol = await self._place.endpoint(self._reactor).connect(maker)
        self._open.append(protocol)
        ready: Deferred[Any] = Deferred()
        protocol.whenConnected().addCallback(lambda _: None if ready.called else ready.callback(None))

        def over(why: str) -> str:
            if not ready.called:
                ready.errback(Away(why))
            return why

        maker.over.addCallback(over)
        await ready.addTimeout(CONNECT_SECONDS, self._reactor)
        return protocol, maker.over

    def _message(self, body: bytes) -> None:
        self._heard_at = self._reactor.seconds()
        if body and self.connected:
            self._heard(body)

    def _look(self) -> None:
        if not self.connected:
            return
        if self._reactor.seconds() - self._heard_at > SILENCE:
            # Both connections are closed, which ends the session.
            self._close()
        else:
            # Empty: nobody but this watches for it.
            self.publish(b"")

    def _close(self) -> None:
        self.connected = False
        self._commands = None
        closing, self._open = self._open, []
        for protocol in closing:
            if protocol.transport is not None:
                protocol.transport.abortConnection()

    def _tell(self, up: bool, reason: str) -> None:
        if up is not self._told:
            self._told = up
            if up:
                log.info("bus: connected with {place}", place=str(self._place))
            else:
                log.error("bus: {place} is away, this process goes on alone: {reason}",
                          place=str(self._place), reason=reason)  # fmt: skip

    def publish(self, body: bytes) -> bool:
        """See `Broker`."""
        if self._commands is None:
            return False
        try:
            self._commands.execute_command(b"PUBLISH", self._topic, body).addErrback(lambda f: None)
        except txredisapi.RedisError:
            return False
        return True

    def spend(self, limit: Limit, costs: Sequence[tuple[str, float]]) -> Deferred[list[float]]:
        """See `Broker`."""
        if self._commands is None:
            return fail(Away("not connected"))
        head = self._keys + limit.name.encode() + b":"
        keys = [head + key.encode() for key, _ in costs]
        try:
            answer: Deferred[Any] = self._commands.execute_command(
                b"EVAL", SCRIPT, len(keys), *keys, limit.rate, limit.burst, *(cost for _, cost in costs)
            )
        except txredisapi.RedisError as error:
            return fail(Away(str(error)))
        return answer.addCallback(lambda left: [float(level) for level in left])
