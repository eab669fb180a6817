"""The composition root: builds every part, hands each only what it needs, starts and stops them in order.

The only module that knows everything; read it first. `Parts` is what there is, `Daemon` is when it happens: listeners
are bound while privileges are there, the rest starts with the reactor, and the stop is bounded in time.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import SystemRandom
from typing import Any

from msgspec import Struct
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from cackled import __version__, logs
from cackled.admin import areas
from cackled.admin.commands import Runner
from cackled.admin.console import Console
from cackled.admin.http import AdminSite
from cackled.admin.lag import Freezer, LagMonitor, PauseMonitor, process_metrics
from cackled.admin.manhole import ManholeFactory
from cackled.admin.process import LocalProcess
from cackled.admin.secrets import Password, SecretError, admin_token
from cackled.admin.systemd import Systemd
from cackled.api.bootstrap import Bootstrap
from cackled.api.front import front, refusal_of
from cackled.api.routes import Api, Limits
from cackled.cache.governor import Governor
from cackled.cache.pressure import PressureReader
from cackled.cache.soft import SoftCache
from cackled.clock import Periodic, sleep, wall_time
from cackled.cluster.membership import Membership
from cackled.cluster.probe import Prober
from cackled.config import Config, ConfigError, Node, load
from cackled.database.dsn import servers_of
from cackled.database.embedded import EmbeddedError, EmbeddedServer
from cackled.database.errors import DatabaseError
from cackled.database.eventlog import load_events
from cackled.domain.housekeeping import Housekeeping
from cackled.database.migrate import migrate
from cackled.database.routing import Database, ReadPreference
from cackled.database.tail import Tail
from cackled.dns.server import DnsServer
from cackled.dns.zone import ZoneError
from cackled.domain import demo
from cackled.domain.accounts import Sessions
from cackled.domain.comments import Comments
from cackled.domain.limits import Buckets
from cackled.domain.moderation import Moderation
from cackled.domain.sites import Site, SiteDirectory
from cackled.events import Event, Position
from cackled.metrics import Metrics
from cackled.realtime.hub import Hub
from cackled.realtime.resource import RealtimeResource
from cackled.transport.assets import Assets
from cackled.transport.http import HttpFactory, client_address
from cackled.transport.microcache import Microcache

log = Logger()

WEB = Path(__file__).parent / "web"
BACKLOG = 4096
