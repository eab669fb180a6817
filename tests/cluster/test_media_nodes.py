"""Two nodes, one with workers: a picture that one has on its disk the other gets from it, not from the origin."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from typing import Any

from cackled.database.testing import server
from tests.cluster.test_worker_nodes import WorkerNodesCase
from tests.media import corpus
from tests.support.client import Visitor
from tests.support.daemon import Daemon


class MediaNodesTests(WorkerNodesCase):
    """Files are in the database, each node has its own cache."""

    def sql(self, text: str, *values: Any) -> None:
        server().execute(text, *values, database=self.database)

    def added(self, color: str) -> str:
        """The address of a picture that everybody may see; no node has it yet."""
        visitor = Visitor(self.nodes[1].url)
        request = urllib.request.Request(
            f"{self.nodes[1].url}/api/v1/sites/1/media", corpus.picture(color=color), method="POST",
            headers={"Authorization": f"Bearer {visitor.token}", "Content-Type": "application/octet-stream"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            made = json.load(answer)
        self.sql("update media set shown = true, item = 'comment:1' where id = %s", made["id"].partition("-")[2])
        return str(made["files"][0]["src"])

    def read(self, node: Daemon, src: str) -> bytes:
        """A file, as a browser gets it from *node*."""
        with urllib.request.urlopen(node.url + src, timeout=30) as answer:
            return bytes(answer.read())

    def test_from_other_node(self) -> None:
        """Either serves what only the other has; a worker too. A node that hangs, or is gone, leaves the origin."""
        with_workers, plain = self.nodes
        self.until(lambda: self.in_loader(with_workers) == self.in_loader(plain) == {"n1", "n2"})
        plain.admin("site set 1 media.pictures yes")
        first, second, third, fourth = (self.added(color) for color in ("red", "blue", "green", "black"))
        bodies = self.read(plain, first), self.read(with_workers, second)
        # Neither is in the origin any more: who has it has it from the other node.
        self.sql("delete from media_file f using media m where m.hash = f.hash and m.id in (%s, %s)",
                 *(src.split("/")[2].partition("-")[2] for src in (first, second)))  # fmt: skip
        self.assertEqual((self.read(with_workers, first), self.read(plain, second)), bodies)
        assert plain.process is not None
        pid = plain.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            self.assertGreater(len(self.read(with_workers, third)), 100)
        finally:
            os.kill(pid, signal.SIGCONT)
        plain.kill()
        self.assertGreater(len(self.read(with_workers, fourth)), 100)
