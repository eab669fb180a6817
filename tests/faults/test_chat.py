"""Conversations while the daemon and its PostgreSQL are killed: what was acknowledged is there once, for both sides."""

from __future__ import annotations

import os
import signal
from typing import Any

import psycopg2

from cackled.database import stale_files
from tests.support.chat_journal import ChatCrowd, staff_cookies
from tests.support.faults import FaultCase

# CACKLED_CHATS and CACKLED_CHAT_OPERATORS try it at another scale.
CHATS = int(os.environ.get("CACKLED_CHATS", "6"))
OPERATORS = int(os.environ.get("CACKLED_CHAT_OPERATORS", "2"))
MESSAGES = 10


class ChatTests(FaultCase):
    """Visitors who are cut off and sleep, operators who are at their desks."""

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Ask the daemon's database."""
        where = f"host={self.daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
        connection = psycopg2.connect(where)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(text)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def test_killed(self) -> None:
        """SIGKILL of the daemon, then of the postmaster: no message lost, doubled or out of order, nobody forgotten."""
        daemon = self.run_daemon()
        for line in ("chat.enabled yes", "chat.rush 0", "chat.assignee_only yes"):
            daemon.admin(f"site set 1 {line}")
        cookies = staff_cookies(daemon, OPERATORS)
        crowd = ChatCrowd(self, [daemon.url], cookies, CHATS, MESSAGES)
        crowd.wait_said(CHATS)
        daemon.kill()
        daemon.start()
        crowd.wait_said(3 * CHATS)
        stale_files.send([daemon.postmaster()], signal.SIGKILL)
        figures = crowd.finish(self.sql)
        self.assertEqual(figures["messages"], CHATS * (MESSAGES - 1))
        self.assertGreater(figures["cuts"], 0)
        self.assert_quiet_log()
        self.tell(**figures)
