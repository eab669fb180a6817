"""The arrows: who may import whom, read from the source with ``ast``.

The table below is the rule; docs/architecture.md tells why. A new package needs a line here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import cackled

GROUND = (
    "cackled", "cackled.addresses", "cackled.clock", "cackled.config", "cackled.config_base", "cackled.config_people",
    "cackled.events", "cackled.languages", "cackled.logs", "cackled.marks", "cackled.metrics", "cackled.problems",
    "cackled.shared_calls",
    "cackled.token_bucket", "cackled.turns",
)

# Module or package -> what it may import beside itself; the longest name that fits counts. A name allows its package.
ARROWS: dict[str, tuple[str, ...]] = {
    "cackled": (),
    "cackled.addresses": (),
    "cackled.config": ("cackled.config_base", "cackled.config_people"),
    "cackled.config_base": (),
    "cackled.config_people": ("cackled.config_base",),
    "cackled.clock": (),
    "cackled.events": (),
    "cackled.languages": (),
    "cackled.logs": (),
    "cackled.marks": (),
    "cackled.metrics": (),
    "cackled.problems": ("cackled.clock", "cackled.metrics"),
    "cackled.shared_calls": (),
    "cackled.token_bucket": (),
    "cackled.turns": (),
    "cackled.web": GROUND,
    "cackled.transport": GROUND,
    "cackled.outbound": GROUND,
    "cackled.cache": GROUND,
    "cackled.database": GROUND,
    "cackled.geo": GROUND,
    "cackled.realtime": ("cackled.transport", *GROUND),
    "cackled.dns": ("cackled.geo", *GROUND),
    "cackled.cluster": ("cackled.geo", *GROUND),
    "cackled.domain": ("cackled.database", "cackled.cache", *GROUND),
    "cackled.moderation": ("cackled.domain", "cackled.database", "cackled.cache", "cackled.outbound", *GROUND),
    "cackled.moderation.feature": (
        "cackled.products.product", "cackled.domain", "cackled.database", "cackled.cache", "cackled.outbound", *GROUND,
    ),
    "cackled.moderation.queue_feature": (
        "cackled.products.product", "cackled.api", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.moderation.api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.importing": ("cackled.domain", "cackled.database", *GROUND),
    "cackled.identity.api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.identity.own_picture": ("cackled.api", "cackled.domain", "cackled.database", *GROUND),
    "cackled.identity.resource": ("cackled.api", "cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    "cackled.identity.avatar": ("cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    "cackled.identity.pages": ("cackled.transport.response", *GROUND),
    "cackled.identity.answers": ("cackled.api.answers", "cackled.domain.sessions"),
    "cackled.identity.picture_reports": (
        "cackled.moderation.items", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.identity": ("cackled.products.product", "cackled.domain", "cackled.database", *GROUND),
    "cackled.media.api": ("cackled.api", "cackled.domain", "cackled.database", *GROUND),
    "cackled.media.logo_api": ("cackled.api", "cackled.domain", *GROUND),
    "cackled.media.tus_api": ("cackled.api", "cackled.transport", "cackled.domain", *GROUND),
    "cackled.media.attachment_resource": ("cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    "cackled.media.resource": ("cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    "cackled.media.image_worker": ("cackled.media.images", "cackled.media.sandbox"),
    "cackled.media": (
        "cackled.products.product", "cackled.transport.streaming", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.products": (
        "cackled.importing", "cackled.moderation.verdict", "cackled.moderation.judged", "cackled.moderation.items",
        "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    # "*": any product.
    "cackled.products.*.api": (
        "cackled.moderation.verdict", "cackled.api", "cackled.transport", "cackled.domain", "cackled.database",
        "cackled.cache", *GROUND,
    ),
    "cackled.products.*.cackle_api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.identity.cackle_api": ("cackled.api", "cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    # What is said of how something is checked is made of the rules in force.
    "cackled.products.*.checks": ("cackled.moderation.rules", "cackled.domain", "cackled.database", *GROUND),
    "cackled.products.*.thread": (
        "cackled.moderation.verdict", "cackled.api", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.*.feed": (
        "cackled.api", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    # What followers are told has pages and push messages of its own.
    "cackled.products.*.notices": (
        "cackled.products.product", "cackled.api", "cackled.transport", "cackled.outbound", "cackled.domain",
        "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.*.notices.answers": ("cackled.api.answers", *GROUND),
    "cackled.products.*.staff_api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.comments.extras_api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.media.store",
        "cackled.media.answers", "cackled.media.image_workers", *GROUND,
    ),
    "cackled.products.chat.people_api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    # Operators are told by web push.
    "cackled.products.chat": (
        "cackled.importing", "cackled.moderation.verdict", "cackled.moderation.judged", "cackled.moderation.items",
        "cackled.outbound", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.chat.push_api": (
        "cackled.api", "cackled.outbound.push", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.chat.macros_api": (
        "cackled.api", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.chat.translations_api": (
        "cackled.api", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.chat.uploads_api": (
        "cackled.api", "cackled.domain", "cackled.media.tus_api", "cackled.media.uploads", *GROUND,
    ),
    "cackled.products.chat.setup_api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.chat.report_api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.*.order_api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.products.*.answers": ("cackled.api.answers",),
    "cackled.products.*.staff_answers": ("cackled.api.answers",),
    "cackled.sharing": ("cackled.products.product", "cackled.identity", "cackled.domain", "cackled.database", *GROUND),
    "cackled.sharing.api": ("cackled.api", "cackled.domain", "cackled.database", *GROUND),
    "cackled.sharing.answers": ("cackled.api.answers", *GROUND),
    "cackled.sharing.resource": (
        "cackled.api.staff", "cackled.transport", "cackled.identity", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.privacy": ("cackled.products.product", "cackled.domain", "cackled.database", *GROUND),
    "cackled.privacy.api": ("cackled.api", "cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    "cackled.privacy.parts": (
        "cackled.products.product", "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.privacy.pages": ("cackled.api", "cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    "cackled.transfers": (
        "cackled.products.product", "cackled.importing", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.transfers.api": ("cackled.api", "cackled.importing.run", "cackled.domain", "cackled.database", *GROUND),
    "cackled.transfers.resource": ("cackled.transport", "cackled.domain", "cackled.database", *GROUND),
    "cackled.features": (
        "cackled.privacy", "cackled.sharing", "cackled.transfers", "cackled.accounts", "cackled.identity",
        "cackled.media",
        "cackled.moderation", "cackled.products", *GROUND,
    ),
    "cackled.accounts": (
        "cackled.products.product", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.accounts.api": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", "cackled.cache", *GROUND,
    ),
    "cackled.accounts.authentication": (
        "cackled.api", "cackled.transport", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.products.product": (
        "cackled.importing.exports", "cackled.importing.formats", "cackled.moderation.items",
        "cackled.moderation.judged", "cackled.api.route",
        "cackled.api.feed", "cackled.api.file_feed", "cackled.api.old_calls", "cackled.api.thread",
        "cackled.api.widget", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.products.registry": (
        "cackled.importing.exports", "cackled.importing.formats", "cackled.api.route",
        "cackled.api.feed", "cackled.api.file_feed", "cackled.api.old_calls", "cackled.api.thread",
        "cackled.api.widget", "cackled.domain", "cackled.database", *GROUND,
    ),
    "cackled.api": ("cackled.domain", "cackled.transport", "cackled.database", "cackled.cache", *GROUND),
    "cackled.admin": ("cackled.domain", "cackled.database", "cackled.cache", *GROUND),
    # The console's areas over the real parts: the composition root's hand in admin.
    "cackled.admin.areas": (
        "cackled.domain", "cackled.database", "cackled.cache", "cackled.realtime", "cackled.cluster",
        "cackled.transport", *GROUND,
    ),
    "cackled.admin.transfer": ("cackled.importing", "cackled.domain", "cackled.database", *GROUND),
    "cackled.admin.http": (
        "cackled.domain", "cackled.transport.problems", "cackled.transport.resources", "cackled.transport.response",
        *GROUND,
    ),
    "cackled.admin.listener": ("cackled.transport", *GROUND),
    "cackled.admin.account_area": ("cackled.accounts", "cackled.domain", "cackled.database", *GROUND),
    "cackled.admin.combined_areas": ("cackled.cluster", "cackled.domain.commands", *GROUND),
    "cackled.admin.devcluster": ("cackled.admin.devnet", "cackled.database", "cackled.cluster.ca", *GROUND),
    # Entry points and the composition root know everything.
    "cackled.admin.cli": ("cackled.*",),
    "cackled.admin.check": ("cackled.*",),
    "cackled.__main__": ("cackled.admin.cli",),
    "cackled.daemon": (),
    "cackled.daemon.service": ("cackled.*",),
    "cackled.daemon.infrastructure": ("cackled.*",),
    "cackled.daemon.application": ("cackled.*",),
    "cackled.daemon.call_limits": ("cackled.cluster.bus", "cackled.domain", "cackled.products.registry", *GROUND),
    "cackled.daemon.catalog": ("cackled.cluster.node_list", "cackled.domain", "cackled.database", *GROUND),
    "cackled.daemon.cluster_view": ("cackled.cluster", "cackled.dns.zone", *GROUND),
    "cackled.daemon.event_router": (
        "cackled.cluster.messages", "cackled.realtime", "cackled.domain", "cackled.database", "cackled.cache",
        "cackled.transport.microcache", *GROUND,
    ),
    "cackled.daemon.readiness": (
        "cackled.daemon.cluster_view", "cackled.admin.health", "cackled.cluster", "cackled.database",
        "cackled.dns.serial", *GROUND,
    ),
    "cackled.daemon.public_tree": ("cackled.*",),
    "cackled.daemon.access": (
        "cackled.api", "cackled.realtime", "cackled.domain", "cackled.database", "cackled.database.errors", *GROUND,
    ),
    "cackled.daemon.worker_supervisor": ("cackled.*",),
    "cackled.daemon.worker_process": ("cackled.*",),
    "cackled.daemon.monitoring": ("cackled.*",),
    "cackled.daemon.worker": ("cackled.daemon.worker_process", *GROUND),
    "cackled.tap": ("cackled.daemon.service", *GROUND),
}
# What a package must not import from outside.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "cackled.domain": ("twisted.web", "twisted.names", "twisted.conch", "autobahn", "klein", "treq"),
    "cackled.events": ("twisted",),
    "cackled.config": ("twisted",),
    "cackled.metrics": ("twisted",),
    "cackled.cache": ("twisted.web", "psycopg2"),
    "cackled.database": ("twisted.web",),
    "cackled.transport": ("psycopg2", "txredisapi"),
}
# What nothing but the composition root may import: everybody else is handed it.
ROOTS = (
    "cackled.daemon.service", "cackled.daemon.infrastructure", "cackled.daemon.application", "cackled.tap",
    "cackled.admin.cli", "cackled.admin.check", "cackled.daemon.worker_supervisor", "cackled.daemon.worker_process",
    "cackled.daemon.monitoring", "cackled.daemon.public_tree", "cackled.daemon.catalog", "cackled.daemon.readiness",
    "cackled.daemon.cluster_view", "cackled.daemon.event_router", "cackled.daemon.call_limits",
)
LONGEST_MODULE = 500
# Folders of what programs write.
MADE = {"build", "node_modules", "__pycache__"}

SOURCE = Path(cackled.__file__).parent


class Module:
    """One module's source: its name and what it imports."""

    def __init__(self, name: str, text: str, *, package: bool = False) -> None:
        self.name = name
        self.lines = text.count("\n")
        self.tree = ast.parse(text)
        self._package = package

    @cached_property
    def imports(self) -> list[str]:
        """Every module or name imported, wherever it stands, relative ones made whole."""
        return [name for node in ast.walk(self.tree) for name in self._names(node)]

    def at_module_level(self) -> Iterator[str]:
        """What is imported when the module is: not in functions, and not for type checkers alone."""
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                waiting.extend(node.orelse)
                continue
            yield from self._names(node)
            waiting.extend(ast.iter_child_nodes(node))

    def _names(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = self.name.split(".")
                parts = parts[: len(parts) - node.level + self._package]
                base = ".".join([*parts, base] if base else parts)
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def modules() -> list[Module]:
    """All Python modules of the package, read once."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = list(path.relative_to(SOURCE.parent).with_suffix("").parts)
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        found.append(Module(name, path.read_text("utf-8"), package=package))
    return found


def within(name: str, prefix: str) -> bool:
    """Whether *name* is *prefix* or below it. The bare package holds nothing below it but its own names."""
    if prefix == "cackled":
        return name == "cackled" or (name.startswith("cackled.") and name.removeprefix("cackled.").startswith("__"))
    if prefix.endswith(".*"):
        return name.startswith(prefix[:-1])
    return name == prefix or name.startswith(prefix + ".")


def rule_of(name: str) -> str:
    """The longest name of the table that fits; ``*`` stands for any product."""
    parts = name.split(".")
    if parts[:2] == ["cackled", "products"] and len(parts) > 3:
        any_product = ".".join((*parts[:2], "*", *parts[3:]))
        found = [rule for rule in ARROWS if any_product == rule or any_product.startswith(rule + ".")]
        if found and "*" in max(found, key=len):
            return max(found, key=len)
    return max((rule for rule in ARROWS if name == rule or name.startswith(rule + ".")), key=len)


def upward(module: Module) -> list[str]:
    """Imports of *module* that the table does not allow."""
    rule = rule_of(module.name)
    # A module of a package with a rule of its own may use the package around it.
    home = ".".join(rule.split(".")[:2]) if rule != "cackled" else rule
    allowed = (*ARROWS[rule], rule, home)
    return [
        name
        for name in module.imports
        if name.split(".")[0] == "cackled" and not any(within(name, prefix) for prefix in allowed)
    ]


def circles(some: list[Module]) -> list[list[str]]:
    """The groups of modules that import one another when they are imported."""
    names = {module.name for module in some}

    def home(name: str) -> str:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name

    left = {module.name: {home(name) for name in module.at_module_level()} - {"", module.name} for module in some}
    # Whoever imports nothing of what is left, or is imported by nothing of it, is in no circle.
    while True:
        imported = set().union(*left.values())
        free = {name for name, needed in left.items() if not needed & left.keys() or name not in imported}
        if not free:
            break
        left = {name: needed for name, needed in left.items() if name not in free}
    return [sorted({name, *(needed & left.keys())}) for name, needed in left.items()]


class ArrowTests(SynchronousTestCase):
    def test_every_module_has_a_rule(self) -> None:
        """A new package or top-level module is entered into the table before it is used."""
        homeless = [m.name for m in modules() if m.name != "cackled" and rule_of(m.name) == "cackled"]
        self.assertEqual(homeless, [])

    def test_arrows_point_down(self) -> None:
        """No module imports what stands above or beside it."""
        wrong = [f"{module.name} imports {name}" for module in modules() for name in upward(module)]
        self.assertEqual(wrong, [])

    def test_products_stay_apart(self) -> None:
        """A product imports no other: it can be read, and taken away, alone."""
        shared = {"product", "registry"}
        wrong = [
            f"{module.name} imports {name}"
            for module in modules()
            if module.name.startswith("cackled.products.") and module.name.split(".")[2] not in shared
            for name in module.imports
            if name.startswith("cackled.products.")
            and name.split(".")[2] not in (*shared, module.name.split(".")[2])
        ]
        self.assertEqual(wrong, [])

    def test_nobody_reaches_for_a_root(self) -> None:
        """The composition root and the programs are imported by each other alone."""
        wrong = [
            f"{module.name} imports {name}"
            for module in modules()
            if module.name not in (*ROOTS, "cackled.__main__", "cackled.daemon.worker")
            for name in module.imports
            if any(within(name, root) for root in ROOTS)
        ]
        self.assertEqual(wrong, [])

    def test_forbidden(self) -> None:
        """Rooms keep clear of libraries that belong to others."""
        wrong = [
            f"{module.name} imports {name}"
            for module in modules()
            for place, names in FORBIDDEN.items()
            if within(module.name, place)
            for name in module.imports
            if any(within(name, one) for one in names)
        ]
        self.assertEqual(wrong, [])

    def test_no_reactor_at_module_level(self) -> None:
        """Importing any module chooses no reactor."""
        wrong = [m.name for m in modules() for name in m.at_module_level() if within(name, "twisted.internet.reactor")]
        self.assertEqual(wrong, [])

    def test_no_circles(self) -> None:
        """No modules need each other to be imported."""
        self.assertEqual(circles(modules()), [])

    def test_length(self) -> None:
        """A module over 500 lines is two modules: of the package, the tests and the scripts, in both languages."""
        root = SOURCE.parent
        found = [path for top in ("cackled", "tests", "scripts") for path in (root / top).rglob("*")]
        written = [one for one in found if one.suffix in (".py", ".js", ".mjs") and MADE.isdisjoint(one.parts)]
        self.assertGreater(len(written), len(modules()))
        lines = {one.relative_to(root).as_posix(): len(one.read_text("utf-8").splitlines()) for one in written}
        self.assertEqual({name: count for name, count in lines.items() if count > LONGEST_MODULE}, {})

    def test_docstrings(self) -> None:
        """Every module says first what it is."""
        self.assertEqual([m.name for m in modules() if not ast.get_docstring(m.tree)], [])


class CheckerTests(SynchronousTestCase):
    """The checks themselves find what they are for."""

    def test_upward_arrows_are_found(self) -> None:
        """Absolute, relative, lazy and plain imports alike."""
        for text in (
            "from cackled.api import router",
            "import cackled.api.router",
            "from ...api import router",
            "from ... import api",
            "def f():\n    from cackled.daemon import service",
            "from cackled.realtime.hub import Hub",
        ):
            self.assertTrue(upward(Module("cackled.products.comments.service", text)), text)
        self.assertTrue(upward(Module("cackled.domain", "from ..api import x", package=True)))
        self.assertTrue(upward(Module("cackled.clock", "from cackled.metrics import Metrics")))
        self.assertTrue(upward(Module("cackled.tap", "from cackled.transport import http")))

    def test_downward_arrows_pass(self) -> None:
        """What the table allows is not complained of."""
        for name, text in (
            (
                "cackled.products.comments.service",
                "from cackled.database.query import Query\nfrom . import text\nimport json",
            ),
            ("cackled.products.comments.service", "from cackled import __version__\nfrom ...events import Position"),
            ("cackled.admin.areas", "from cackled.realtime.hub import Hub\nfrom .console import Facts"),
            ("cackled.daemon.service", "from cackled.realtime import hub\nfrom cackled.daemon import infrastructure"),
        ):
            self.assertEqual(upward(Module(name, text)), [], text)

    def test_circles(self) -> None:
        """Of two modules and of three, with those around them left out; not of what functions import."""
        a, b, c = ("cackled.a", "from cackled import b"), ("cackled.b", "import cackled.c"), ("cackled.c", "")
        self.assertEqual(circles([Module(*one) for one in (a, b, c)]), [])
        self.assertEqual(circles([Module(*one) for one in (a, b, ("cackled.c", "def f():\n    import cackled.a"))]), [])
        found = circles([Module(*one) for one in (a, b, ("cackled.c", "from cackled.a import x"))])
        self.assertEqual(set().union(*found), {"cackled.a", "cackled.b", "cackled.c"})

    def test_reactor(self) -> None:
        """At module level in any form, also in a class or a try; not in a function, nor for type checkers."""
        for text, found in (
            ("from twisted.internet import reactor", True),
            ("import twisted.internet.reactor", True),
            ("try:\n    from twisted.internet import reactor\nexcept ImportError: pass", True),
            ("class A:\n    from twisted.internet import reactor", True),
            ("def f():\n    from twisted.internet import reactor", False),
            ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from twisted.internet import reactor", False),
        ):
            names = list(Module("cackled.x", text).at_module_level())
            self.assertEqual(any(within(name, "twisted.internet.reactor") for name in names), found, text)
