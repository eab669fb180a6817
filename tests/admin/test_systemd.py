"""Notifications to systemd, received on a real datagram socket."""

from __future__ import annotations

import socket

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.systemd import Systemd


class SystemdTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = "/tmp/" + self.mktemp().replace("/", "_")[-60:]
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.abstract = "\0" + self.path
        self.manager.bind(self.abstract)
        self.manager.setblocking(False)

    def told(self) -> list[str]:
        lines: list[str] = []
        while True:
            try:
                lines.append(self.manager.recv(4096).decode())
            except BlockingIOError:
                return lines

    def test_life(self) -> None:
        """Ready, fed three times per watchdog interval, stopping."""
        systemd = Systemd(
            self.clock, {"NOTIFY_SOCKET": "@" + self.path, "WATCHDOG_USEC": "15000000", "WATCHDOG_PID": "7"}, 7
        )
        systemd.ready("serving\nREADY=0")
        self.assertEqual(self.told(), ["READY=1\nSTATUS=serving READY=0"])
        self.clock.pump([5] * 3)
        self.assertEqual(self.told(), ["WATCHDOG=1"] * 3)
        systemd.stopping()
        systemd.stop()
        self.assertEqual(self.told(), ["STOPPING=1"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_without_systemd(self) -> None:
        """Outside systemd nothing happens; a watchdog meant for another process is not fed."""
        for environ in (
            {},
            {"WATCHDOG_USEC": "15000000"},
            {"NOTIFY_SOCKET": "/nonexistent/socket"},
            {"NOTIFY_SOCKET": "@" + self.path, "WATCHDOG_USEC": "x"},
            {"NOTIFY_SOCKET": "@" + self.path, "WATCHDOG_USEC": "15000000", "WATCHDOG_PID": "8"},
        ):
            systemd = Systemd(self.clock, environ, 7)
            systemd.ready()
            systemd.stopping()
            systemd.stop()
            self.assertEqual(self.clock.getDelayedCalls(), [])
