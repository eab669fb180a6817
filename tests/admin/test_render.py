"""Answers as text."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.render import as_text, duration, size


class RenderTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Columns are aligned, numbers to the right, absent cells a dash."""
        text = as_text([{"name": "a", "memory_bytes": 10}, {"name": "long", "memory_bytes": 2048, "extra": True}])
        self.assertEqual(text.splitlines(), [
            "name   memory  extra",
            "a        10 B  -",
            "long  2.0 KiB  yes",
        ])

    def test_wide_table_is_turned(self) -> None:
        """What no terminal is wide enough for becomes a line per column; with many rows it stays as it is."""
        row = {"cache": "soft", **{f"a_long_name_{n}": n for n in range(12)}}
        lines = as_text([row, {**row, "cache": "microcache", "a_long_name_3": 77}]).splitlines()
        self.assertEqual((lines[0], lines[4]), ("cache           soft  microcache", "a long name 3      3          77"))
        self.assertEqual(len(lines), 13)
        self.assertEqual(len(as_text([row] * 9).splitlines()), 10)

    def test_facts_and_sections(self) -> None:
        """Facts are two columns; sections are headed and indented; empty things say so."""
        text = as_text({"process": {"node": "n1", "uptime_seconds": 3700}, "sessions": []})
        self.assertEqual(text, "process\n  node    n1\n  uptime  1 h 1 min\n\nsessions\n  none")
        self.assertEqual(as_text({}), "nothing")
        self.assertEqual(as_text({"origins": ("a", "b"), "none": ()}), "origins  a b\nnone     -")

    def test_no_escape_reaches_the_terminal(self) -> None:
        """A name that carries an escape sequence is shown, not obeyed."""
        for data in ("x\x1b[2J", {"name": "x\x1b[2J"}, [{"name": "x\x1b[2J"}], {"o": ["x\x1b[2J"]}):
            self.assertNotIn("\x1b", as_text(data))  # type: ignore[arg-type]
        self.assertEqual(as_text({"name": "Зоя"}), "name  Зоя")

    def test_units(self) -> None:
        """Durations and sizes are short."""
        self.assertEqual([duration(s) for s in (0.0004, 2.5, 600, 90061, 200000)],
                         ["0.4 ms", "2.5 s", "10 min", "25 h 1 min", "2 d 7 h"])
        self.assertEqual([size(n) for n in (0, 1023, 1536, 5 * 2**30, 2**60)],
                         ["0 B", "1023 B", "1.5 KiB", "5.0 GiB", "1048576.0 TiB"])
