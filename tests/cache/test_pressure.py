"""Reading how much memory is left, on all the layouts there are."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.pressure import MemoryReader, Pressure

MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


class PressureTests(SynchronousTestCase):
    """`cackled.cache.pressure.Pressure`."""

    def test_the_least_counts(self) -> None:
        """Target, control group and machine: whichever leaves least; what is unknown does not count."""
        self.assertEqual(Pressure(rss=100, group=50, machine=1_000).free(target=400, reserve=10), 50)
        self.assertEqual(Pressure(rss=390, group=50, machine=1_000).free(target=400, reserve=10), 10)
        self.assertEqual(Pressure(rss=100, group=50, machine=30).free(target=400, reserve=40), -10)
        self.assertEqual(Pressure(rss=450).free(target=400, reserve=40), -50)
        self.assertEqual(Pressure(rss=100, group=-7, machine=30).free(), -7)

    def test_nothing_known(self) -> None:
        """Without any figure nothing is free: caches must not grow on a guess."""
        self.assertEqual(Pressure(rss=100).free(), 0)


class MemoryReaderTests(SynchronousTestCase):
    """`cackled.cache.pressure.MemoryReader`."""

    def setUp(self) -> None:
        self.proc = Path(self.mktemp())
        self.mount = Path(self.mktemp())
        self.write(self.proc / "self/statm", f"5000 {300} 50 1 0 400 0\n")
        self.write(self.proc / "meminfo", "MemTotal:       2048000 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n")

    def write(self, path: Path, text: str | int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}")

    def reader(self) -> MemoryReader:
        reader = MemoryReader(self.proc, self.mount)
        self.addCleanup(reader.close)
        return reader

    def group(self, folder: str, **files: str | int) -> None:
        for name, text in files.items():
            self.write(self.mount / folder / f"memory.{name}", text)

    def test_process_and_machine(self) -> None:
        """Pages of the process, MemAvailable of the machine; no control group, no limit."""
        self.assertEqual(self.reader()(), Pressure(rss=300 * PAGE, group=None, machine=MIB))

    def test_version_2(self) -> None:
        """The lower of high and max, less the use that is not idle file cache; changes are seen."""
        self.write(self.proc / "self/cgroup", "0::/app/worker\n")
        self.group("app/worker", high=70 * MIB, max=100 * MIB, current=50 * MIB,
                   stat=f"anon 1\ninactive_file {8 * MIB}\nactive_file {4 * MIB}\n")  # fmt: skip
        reader = self.reader()
        self.assertEqual(reader().group, 28 * MIB)
        self.group("app/worker", current=90 * MIB)
        self.assertEqual(reader().group, -12 * MIB)
        self.group("app/worker", high="max")
        self.assertEqual(reader().group, 18 * MIB)
        self.group("app/worker", max="max")
        self.assertIsNone(reader().group)

    def test_limit_of_a_parent(self) -> None:
        """A limit binds all below it."""
        self.write(self.proc / "self/cgroup", "0::/app/worker\n")
        self.group("app/worker", high="max", max="max", current=5 * MIB, stat="inactive_file 0\n")
        self.group("app", high="max", max=30 * MIB, current=20 * MIB, stat="inactive_file 0\n")
        self.assertEqual(self.reader()().group, 10 * MIB)

    def test_container(self) -> None:
        """Where the path in /proc is not visible under the mount, the mount itself is the group."""
        self.write(self.proc / "self/cgroup", "0::/../../elsewhere\n")
        self.group(".", high="max", max=30 * MIB, current=20 * MIB, stat="inactive_file 0\n")
        self.assertEqual(self.reader()().group, 10 * MIB)

    def test_version_1(self) -> None:
        """Both versions mounted: the one with the memory controller counts; its huge default is no limit."""
        self.write(self.proc / "self/cgroup", "5:cpu,cpuacct:/\n4:memory:/box\n0::/\n")
        for folder, limit in (("memory/box", 60 * MIB), ("memory", 9223372036854771712)):
            self.group(folder, limit_in_bytes=limit, soft_limit_in_bytes=9223372036854771712,
                       usage_in_bytes=50 * MIB, stat=f"inactive_file 1\ntotal_inactive_file {MIB}\n")  # fmt: skip
        found = self.reader()().group
        assert found is not None
        self.assertAlmostEqual(found, 11 * MIB, delta=MIB)

    def test_no_process_figures(self) -> None:
        """Without /proc there is nothing to govern by: the maker is told."""
        self.assertRaises(OSError, MemoryReader, self.mount, self.mount)

    def test_this_machine(self) -> None:
        """The real files of this machine give figures that can be true, and its files stay open."""
        reader = MemoryReader()
        self.addCleanup(reader.close)
        before = len(os.listdir("/proc/self/fd"))
        found = reader()
        self.assertGreater(found.rss, MIB)
        self.assertGreater(found.machine or 0, MIB)
        for _ in range(10):
            reader()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
    test_this_machine.skip = None if os.path.exists("/proc/meminfo") else "no /proc"  # type: ignore[attr-defined]
