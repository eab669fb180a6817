"""Tests of scripts/packaging/api_types.py: TypeScript of what the server declares."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from cackled import features
from cackled.products.registry import Registry
from tests.support.wall import WALL
from tests.support.web import ROOT, packaging

spec = importlib.util.spec_from_file_location("cackled_api_types", ROOT / "scripts" / "packaging" / "api_types.py")
assert spec is not None and spec.loader is not None
types = importlib.util.module_from_spec(spec)
spec.loader.exec_module(types)


class Leaf(Struct):
    """A leaf, which ends no comment with */."""

    name: str


class Tree(Struct):
    """A tree."""

    kind: Literal["oak", "fir"]
    leaves: list[Leaf]
    above: Tree | None
    pair: tuple[int, float]
    by_day: dict[str, int]
    value: Annotated[int, Meta(description="A number\nof two lines.")] = 0
    maybe: bool | UnsetType = UNSET
    any_: Any = None


class TypeTests(SynchronousTestCase):
    def test_struct(self) -> None:
        """Each kind of member; a member with a default may be missing."""
        shapes = types.Shapes([Tree])
        self.assertEqual(shapes.type(Tree), "Tree")
        self.assertEqual(shapes.type(None), "undefined")
        text = types.typescript(shapes.components["Tree"])
        for line in (
            'kind: "fir" | "oak";', "leaves: Array<Leaf>;", "above: Tree | null;", "pair: [number, number];",
            "by_day: Record<string, number>;", "/** A number of two lines. */", "value?: number;", "maybe?: boolean;",
            "any_?: unknown;",
        ):  # fmt: skip
            self.assertIn(f"  {line}\n", text)

    def test_unknown(self) -> None:
        """What is not understood is an error, never a wrong type."""
        self.assertRaises(ValueError, types.typescript, {"type": "text"})
        self.assertEqual(types.typescript({"const": 'a"b'}), '"a\\"b"')

    def test_all(self) -> None:
        """Every route, widget, event and slug is there, those of a product that is only registered too."""
        known = Registry((*features.registry().features, WALL))
        text = types.declarations(known)
        for line in (
            '"POST /sites/{site}/sessions"', '"GET /sites/{site}/wall"', "  Wall: {site:", '"reaction.put"',
            '"channel.updated": ChannelUpdated', '  | "boring"', "export type Comment = {", "max_length: number;",
        ):  # fmt: skip
            self.assertIn(line, text)
        for route in known.routes:
            self.assertIn(f'"{route.method} {route.path.replace(":text", "")}": {{', text)

    def test_compiles(self) -> None:
        """TypeScript understands the file, and finds what does not fit."""
        web = packaging()
        if web.system_node() is None or not (web.MODULES / "typescript").is_dir():
            raise SkipTest("typescript is not installed")
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        types.main([str(folder / "api.d.ts")])
        right = (
            "import type {Events, FirstPages, Routes} from './api';\n"
            "const vote: Routes['PUT /sites/{site}/comments/{comment}/vote']['body'] = {value: 1};\n"
            "export const told = (e: Events['comment.voted'], f: FirstPages['Comment']) =>\n"
            "  e.up + f.channel.seq + vote.value;\n"
        )
        compiler = [str(web.node()), str(web.MODULES / "typescript" / "bin" / "tsc"), "--strict", "--noEmit"]
        for text, words in ((right, ""), (right.replace("value: 1", "value: 2"), "'2' is not assignable"),
                            (right.replace("e.up", "e.upp"), "'upp' does not exist")):  # fmt: skip
            (folder / "use.ts").write_text(text)
            done = subprocess.run([*compiler, "use.ts"], cwd=folder, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode == 0, not words, done.stdout)
            self.assertIn(words, done.stdout)

    def test_written_once(self) -> None:
        """A file that is right is left alone."""
        target = Path(self.mktemp()) / "api.d.ts"
        target.parent.mkdir()
        types.main([str(target)])
        before = target.stat().st_mtime_ns
        types.main([str(target)])
        self.assertEqual(target.stat().st_mtime_ns, before)
        target.write_text("old")
        types.main([str(target)])
        self.assertNotEqual(target.read_text(), "old")
