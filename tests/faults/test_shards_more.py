"""Shards among everything else: workers, connections that are cut, webhooks, walls between tenants, a shard down."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter

from tests.faults.shards import Crowd, ShardCase
from tests.support.client import Visitor, call
from tests.support.faults import KEY
from tests.support.receiver import Receiver
from tests.support.valkey import Valkey
from tests.test_tenants import Tenant

CUT = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cackled tail'"


class WorkersTests(ShardCase):
    """Several processes know where sites are."""

    def top(self) -> str:
        """Two workers."""
        valkey = Valkey(save="")
        self.addCleanup(valkey.remove)
        valkey.start()
        return f'workers = 2\nredis = {{url = "unix://{valkey.socket}"}}\n'

    def test_workers(self) -> None:
        """With two workers a move loses nothing either."""
        crowd = Crowd(self, 2, writers=4)
        for target in (1, 0):
            crowd.wait_more()
            self.shard("move", "2", "--to", str(target))
        crowd.wait_more()
        self.tell(**crowd.check())


class RoughTests(ShardCase):
    """The moves go on while other things go wrong."""

    def test_tails_are_cut(self) -> None:
        """The event logs' connections are cut all the while: readers miss nothing, for what they missed is kept."""
        crowd = Crowd(self, 2)
        over = threading.Event()

        def cut() -> None:
            while not over.wait(0.3):
                for shard in (0, 1):
                    self.sql(shard, CUT)

        cutter = threading.Thread(target=cut, daemon=True)
        cutter.start()
        try:
            for target in (1, 0, 1):
                crowd.wait_more()
                self.shard("move", "2", "--to", str(target), "--anyway")
            crowd.wait_more()
        finally:
            over.set()
            cutter.join()
        self.tell(**crowd.check())

    def test_webhooks(self) -> None:
        """What waits in the outbox goes along: each event is told once."""
        receiver = Receiver()
        self.addCleanup(receiver.close)
        self.daemon.stop()
        port = receiver.server_address[1]
        self.daemon.settings["outbound"] = {"ports": [port], "networks": ["127.0.0.0/8"]}
        self.daemon.start()
        self.daemon.admin(f"site set 2 webhook_url http://127.0.0.1:{port}/hook")
        visitor = Visitor(self.daemon.url, 2)
        written = 0
        for target in (1, 0):
            for _ in range(15):
                written += visitor.post("page", f"number {written}").status == 201
            self.shard("move", "2", "--to", str(target))
        end = time.monotonic() + 60
        while self.daemon.admin("outbox")["waiting"] and time.monotonic() < end:
            time.sleep(0.1)
        # The first of all was answered with an error, and came again.
        told = Counter(head["x-cackle-event-id"] for head, _ in receiver.got[1:])
        self.assertEqual(len({json.loads(body)["position"] for _, body in receiver.got}), 30)
        self.assertEqual((written, len(told), set(told.values())), (30, 30, {1}))

    def test_canaries(self) -> None:
        """Two tenants move past each other: neither's word is in a byte that was sent to the other."""
        rng = random.Random(5)
        one, two = Tenant(self.daemon, 2, rng), Tenant(self.daemon, 3, rng)
        failed: list[str] = []

        def move() -> None:
            for sites, target in (("2", "1"), ("3", "1"), ("2", "0"), ("3", "0")):
                try:
                    self.shard("move", sites, "--to", target)
                except AssertionError as error:
                    failed.append(str(error))

        mover = threading.Thread(target=move, daemon=True)
        mover.start()
        while mover.is_alive():
            one.act(two)
            two.act(one)
        mover.join()
        self.assertEqual(failed, [])
        for tenant in (one, two):
            self.assertEqual(tenant.visitors[0].post("page", f"{tenant.canary} last").status, 201)
            tenant.poll()
        sent = {tenant.site: tenant.close() for tenant in (one, two)}
        for tenant, other in ((one, two), (two, one)):
            self.assertIn(tenant.canary.encode(), sent[tenant.site])
            self.assertNotIn(other.canary.encode(), sent[tenant.site])
            for visitor in other.visitors:
                self.assertNotIn(f'"author":{{"id":"{visitor.id}"'.encode(), sent[tenant.site])
        self.assert_quiet_log()


class DownTests(ShardCase):
    """A shard is away."""

    def test_down(self) -> None:
        """Sites of the other one are served as ever, also by a daemon that starts then; it is used when it is back."""
        self.shard("move", "2", "--to", "1")
        mine, theirs = Visitor(self.daemon.url, 1), Visitor(self.daemon.url, 2)
        self.assertEqual(theirs.post(KEY, "before").status, 201)
        self.servers[1].kill()
        self.assertEqual(theirs.post(KEY, "meanwhile").status, 503)
        self.assertEqual(mine.post(KEY, "meanwhile").status, 201)
        self.assertTrue(self.daemon.ready())
        self.assertIn("down", self.shard("list"))
        self.assertIn("has no primary", self.shard("move", "2", "--to", "0", fails=True))
        self.daemon.signal(signal.SIGTERM)
        self.daemon.wait()
        self.daemon.start()
        self.assertEqual(mine.post(KEY, "after a start").status, 201)
        self.assertEqual(call(f"{self.daemon.url}/api/v1/sites/2/comments?channel={KEY}").status, 503)
        self.servers[1].start()
        end = time.monotonic() + 60
        while (answer := theirs.post(KEY, "it is back")).status != 201:
            self.assertEqual(answer.status, 503)
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)
        # A move that is under way when the target goes leaves no slot that keeps the log.
        while not self.sql(1, "select 1 from pg_stat_activity where application_name = 'cackled tail'"):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.doom("streaming", "3", 1)
        self.servers[1].kill()
        self.assertIn("has no primary", self.shard("abort", fails=True))
        self.assertEqual(self.sql(0, "select slot_name from pg_replication_slots"), [])
        self.assertIn("aborting", self.shard("resume", fails=True) + self.shard("list"))
        self.assertIn("drop subscription", self.shard("abort", "--without-target"))
        self.assertEqual(self.sql(0, "select * from catalog.move where ended_at is null"), [])
        self.assertEqual(Visitor(self.daemon.url, 3).post(KEY, "still here").status, 201)

    def test_catalog_down(self) -> None:
        """With the shard of the catalog down, sites of the other one are written and read by a daemon that runs."""
        self.shard("move", "2", "--to", "1")
        mine, theirs = Visitor(self.daemon.url, 1), Visitor(self.daemon.url, 2)
        self.assertEqual(theirs.post(KEY, "before").status, 201)
        self.servers[0].kill()
        self.assertEqual(theirs.post(KEY, "meanwhile").status, 201)
        self.assertEqual(call(f"{self.daemon.url}/api/v1/sites/2/comments?channel={KEY}").status, 200)
        self.assertEqual(mine.post(KEY, "meanwhile").status, 503)
        self.servers[0].start()
        end = time.monotonic() + 60
        while mine.post(KEY, "it is back").status != 201:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)
