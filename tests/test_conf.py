"""The files in conf/: they name what exists. conf/cackled.toml is compared in tests/admin/test_defaults.py."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import cackled

SOURCE = Path(cackled.__file__).parent
CONF = SOURCE.parent / "conf"
MAKERS = ("counter", "gauge", "histogram", "watch")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "watch": ("",), "histogram": ("_bucket", "_sum", "_count")}
NAME = re.compile(r"\b(?:cackled|process)_[a-z0-9_]+")
# From prometheus_client, on Linux.
PROCESS = {
    "process_cpu_seconds_total", "process_max_fds", "process_open_fds", "process_resident_memory_bytes",
    "process_start_time_seconds", "process_virtual_memory_bytes",
}


def made_in(text: str) -> Iterator[str]:
    """The names of the figures that a module makes, as they are scraped.

    Those of ``metrics.counter("name", ...)`` and its like; in a module with a collector of its own also the literals
    that begin with ``cackled_``, and f-strings that do, completed by any word of the module.
    """
    tree = ast.parse(text)
    words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    words |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=maker), args=[ast.Constant(value=str(name)), *_]) if maker in MAKERS:
                yield from (f"cackled_{name}{suffix}" for suffix in SUFFIXES[maker])
                if maker in ("gauge", "watch"):
                    yield f"cackled_shard_{name}"  # with a shard for a label: `cackled.database.shards.ShardMetrics`
    if "prometheus_client.core" not in text:
        return
    for word in words:
        if word.startswith("cackled_"):
            yield from (word, f"{word}_total")
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and len(node.values) == 2 and isinstance(node.values[0], ast.Constant):
            start = str(node.values[0].value)
            if start.startswith("cackled_"):
                for word in filter(str.isidentifier, words):
                    yield from (f"{start}{word}", f"{start}{word}_total")


@cache
def made() -> set[str]:
    return {name for path in SOURCE.rglob("*.py") for name in made_in(path.read_text("utf-8"))} | PROCESS


class MetricNamesTests(SynchronousTestCase):
    def named_in(self, text: str) -> list[str]:
        return sorted({name for name in NAME.findall(text) if not name.startswith("process_") or name in PROCESS})

    def test_dashboard(self) -> None:
        """Every figure that the dashboard shows is made somewhere."""
        names = self.named_in((CONF / "grafana-dashboard.json").read_text())
        self.assertGreater(len(names), 30)
        self.assertEqual([name for name in names if name not in made()], [])

    def test_alerts(self) -> None:
        """Every figure that an alert watches is made somewhere."""
        names = self.named_in((CONF / "alerts.yml").read_text())
        self.assertGreater(len(names), 10)
        self.assertEqual([name for name in names if name not in made()], [])

    def test_documents(self) -> None:
        """Figures that the documents speak of exist too."""
        for path in (SOURCE.parent / "docs").glob("*.md"):
            names = re.findall(r"`(cackled_[a-z0-9_]+)[`{]", path.read_text("utf-8"))
            families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in made()}
            unknown = [n for n in names if n not in made() and n not in families and n not in ROLES]
            self.assertEqual(unknown, [], path.name)

    def test_collecting(self) -> None:
        """The names are read from the source as they are scraped."""
        self.assertEqual(set(made_in('m.counter("a", "A")')), {"cackled_a_total"})
        self.assertEqual(set(made_in('m.watch(\n  "b", "B", f)')), {"cackled_b", "cackled_shard_b"})
        self.assertIn("cackled_c_seconds_bucket", set(made_in('m.histogram("c_seconds", "C").labels(x)')))
        self.assertEqual(set(made_in('m.counter(name, "A")\nm.other("d")\nx = "cackled_e"')), set())
        collector = 'from prometheus_client.core import X\nX("cackled_e")\nfor n in ("one",): X(f"cackled_f_{n}")'
        self.assertIn("cackled_e_total", set(made_in(collector)))
        self.assertIn("cackled_f_one", set(made_in(collector)))
        self.assertNotIn("cackled_f_two", set(made_in(collector)))


# Words of the documents that look like figures: the database's roles and the event channel.
ROLES = {"cackled_app", "cackled_system", "cackled_event", "cackled_catalog", "cackled_widget"}


class DashboardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.dashboard: dict[str, Any] = json.loads((CONF / "grafana-dashboard.json").read_text())

    def test_panels(self) -> None:
        """Every panel has a title and something to show, numbers are unique, nothing lies on anything else."""
        panels = self.dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        cells: set[tuple[int, int]] = set()
        for panel in panels:
            self.assertTrue(panel["title"])
            self.assertTrue(panel["type"] == "row" or panel["targets"], panel["title"])
            at = panel["gridPos"]
            mine = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            self.assertFalse(mine & cells, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            cells |= mine

    def test_queries(self) -> None:
        """Brackets close, and every query keeps to the chosen nodes and data source."""
        for panel in self.dashboard["panels"]:
            for target in panel.get("targets", ()):
                query = target["expr"]
                for left, right in ("()", "{}", "[]"):
                    self.assertEqual(query.count(left), query.count(right), query)
                self.assertIn('instance=~"$instance"', query)
                self.assertEqual(panel["datasource"]["uid"], "${datasource}")


class AlertTests(SynchronousTestCase):
    def test_rules(self) -> None:
        """Every rule has an expression, a severity and a summary; names are unique."""
        rules = (CONF / "alerts.yml").read_text().split("- alert: ")[1:]
        self.assertGreater(len(rules), 10)
        names = [rule.split("\n", 1)[0] for rule in rules]
        self.assertEqual(len(set(names)), len(names))
        for rule in rules:
            for part in ("\n        expr: ", "labels: {severity: page}", '          summary: "'):
                self.assertIn(part, rule.replace("ticket", "page"), rule)


class UnitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.unit = (CONF / "cackled.service").read_text()

    def test_hardened(self) -> None:
        """systemd's own judgement is OK; skipped where the tool is not installed."""
        tool = shutil.which("systemd-analyze")
        if tool is None:
            self.skipTest("no systemd-analyze here")
        done = subprocess.run(
            [tool, "security", "--offline=true", "--no-pager", "--threshold=20", str(CONF / "cackled.service")],
            capture_output=True, text=True, timeout=60, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout[-500:])

    def test_notify(self) -> None:
        """The unit waits for READY=1, so the daemon must send it; and be fed its watchdog."""
        self.assertIn("\nType=notify\n", self.unit)
        self.assertIn("\nWatchdogSec=", self.unit)
        self.assertIn("systemd.ready(", (SOURCE / "daemon/service.py").read_text())

    def test_commands_exist(self) -> None:
        """What the unit runs are subcommands of the program."""
        from cackled.admin.cli import _parser

        for command in re.findall(r"/bin/cackled (.+)", self.unit):
            self.assertTrue(callable(_parser().parse_args(command.split()).run))

    def test_memory_for_callbacks(self) -> None:
        """MemoryDenyWriteExecute would break the choice of certificates, ProcSubset=pid the cache's governor."""
        settings = [line for line in self.unit.splitlines() if not line.startswith("#")]
        self.assertFalse([line for line in settings if line.startswith(("MemoryDenyWriteExecute", "ProcSubset"))])


class SysctlTests(SynchronousTestCase):
    def test_keys(self) -> None:
        """Each line is a key that this kernel knows, and its values are numbers."""
        for line in (CONF / "90-cackled.conf").read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            self.assertRegex(line, r"^[a-z0-9_.]+ = [0-9]+( [0-9]+){0,2}$")
            path = Path("/proc/sys") / line.split(" = ")[0].replace(".", "/")
            # In a container some trees are not there at all.
            if path.parent.is_dir() and path.parent.name == "ipv4":
                self.assertTrue(path.exists(), line)
