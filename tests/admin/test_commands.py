"""Operator commands, run line by line on a fake console."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled import logs
from cackled.admin.commands import COMMANDS, Quit, Runner, _without_secrets
from cackled.admin.console import Console
from cackled.admin.render import as_text
from cackled.admin.testing import FakeConsole, FakeProcess
from cackled.domain.commands import CommandError, parse_channel
from cackled.events import channel_id
from cackled.features import registry
from cackled.metrics import Metrics


class Unavailable(Exception):
    """Stands for the database's own error."""


class RunnerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.fake = FakeConsole()
        self.clock = Clock()
        self.metrics = Metrics()
        self.runner = Runner(self.fake.console, self.clock, self.metrics, expected=(Unavailable,))

    def start(self, line: str) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.runner.run(line, "test"))

    def run_line(self, line: str) -> Any:
        return self.successResultOf(self.start(line))

    def refusal(self, line: str) -> str:
        return str(self.failureResultOf(self.start(line), CommandError).value)


class CommandTests(RunnerCase):
    def test_every_command_answers_or_refuses_in_one_line(self) -> None:
        """Without words each command of the table gives data, its usage, or the end of the session."""
        level = logs.levels.logLevelForNamespace("").name
        self.addCleanup(logs.set_level, level)
        for name in COMMANDS:
            outcome: list[Any] = []
            self.start(name).addBoth(outcome.append)
            self.assertEqual(len(outcome), 1, name)
            if name == "quit":
                self.assertTrue(outcome[0].check(Quit))
            elif name in ("evict", "ban", "usage", "erase"):
                self.assertTrue(str(outcome[0].value).startswith(f"usage: {name} "))
            elif name in ("workers", "restart-workers"):
                self.assertEqual(str(outcome[0].value), "this process has no workers")
            elif name == "account":
                self.assertEqual(str(outcome[0].value), "this process has no accounts")
            else:
                self.assertTrue(as_text(outcome[0]))

    def test_outbox(self) -> None:
        """What waits, what was given up, and one of those tried again."""
        self.assertEqual(self.run_line("outbox")["waiting"], 2)
        self.assertEqual(self.run_line("outbox dead")[0]["id"], 7)
        self.assertIn("tried again", self.run_line("outbox retry 7"))
        self.assertEqual(self.refusal("outbox retry 8"), "there is no dead letter 8")
        for line in ("outbox retry", "outbox live", "outbox dead 7"):
            self.assertTrue(self.refusal(line).startswith("usage: outbox "), line)
        self.assertIn("ID is a number", self.refusal("outbox retry x"))

    def test_erase(self) -> None:
        """A visitor of a site, and nobody else."""
        self.assertEqual(self.run_line("erase 1 42"), {"site": 1, "visitor": "42", "events": 3})
        self.assertIn("erase 1 42", self.fake.done)
        for line in ("erase 1", "erase 1 x", "erase 0 5", "erase 1 2 3"):
            self.refusal(line)

    def test_help_lists_the_whole_table(self) -> None:
        """Nothing is hidden from help, and one command's help has its usage."""
        rows = self.run_line("help")
        self.assertEqual([row["command"].split()[0] for row in rows], [*COMMANDS, "greet"])
        self.assertIn("remove SITE KIND VALUE", self.run_line("help ban")["usage"])

    def test_status_shows_every_area(self) -> None:
        """Status is sections; an absent area is left out rather than an error."""
        self.assertEqual(
            list(self.run_line("status")), [
                "problems", "process", "disk", "cluster", "sessions", "requests", "cache", "database", "tail",
                "busiest addresses", "busiest sites", "last errors",
            ],
        )
        bare = Runner(Console(process=FakeProcess([])), self.clock, Metrics())
        self.assertEqual(list(self.successResultOf(Deferred.fromCoroutine(bare.run("status", "t")))), ["process"])

    def test_absent_area(self) -> None:
        """A command whose area the process lacks says so."""
        bare = Runner(Console(process=FakeProcess([])), self.clock, Metrics())
        for line in ("sessions", "cache", "evict all", "site", "ban list 1"):
            failure = self.failureResultOf(Deferred.fromCoroutine(bare.run(line, "t")), CommandError)
            self.assertIn("this process has no", str(failure.value))

    def test_channels_is_bounded(self) -> None:
        """N is optional, and has a greatest value."""
        self.assertEqual(len(self.run_line("channels")), 20)
        self.assertEqual(len(self.run_line("channels 3")), 3)
        for word in ("0", "1001", "-1", "x", "٣", "9" * 30):
            self.assertEqual(self.refusal(f"channels {word}"), "N is a number from 1 to 1000")

    def test_evict(self) -> None:
        """A channel is named by id or by key; ``all`` clears."""
        self.run_line("evict 17/42")
        self.run_line("evict 17/news/today")
        self.run_line("evict all")
        self.assertEqual(self.fake.done, ["evict 17/42", f"evict 17/{channel_id('comments', 'news/today')}", "clear"])
        for line in ("evict 17", "evict /x", "evict 0/1", "evict 1/"):
            self.refusal(line)
        self.assertEqual(len(self.fake.done), 3)

    def test_site(self) -> None:
        """Sites are made, shown and changed; quoted words stay together."""
        self.assertEqual(self.run_line('site add "My shop" shop.example *.shop.example'), {"site": 2})
        self.assertEqual(self.run_line("site 2")["origins"], ("shop.example", "*.shop.example"))
        self.assertIn("new.example", self.run_line("site origins 2 add new.example")["origins"])
        self.assertNotIn("new.example", self.run_line("site origins 2 remove new.example")["origins"])
        self.assertEqual(self.run_line("site set 2 name Other"), {"site": 2, "name": "Other"})
        self.assertEqual([row["name"] for row in self.run_line("site")], ["demo", "Other"])
        self.assertEqual(self.refusal("site 9"), "there is no site 9")
        self.assertEqual(self.run_line("nodes forget n2"), "n2 is forgotten")
        self.assertEqual(self.refusal("nodes forget n9"), "there is no node n9 in the database")
        self.assertEqual(self.run_line("site add id=70 Far far.example"), {"site": 70})
        self.assertEqual(self.run_line("site pin 80 eu"), "site 80 lives in eu")
        self.assertEqual(self.run_line("site unpin 80"), "site 80 was pinned")
        self.assertEqual(self.run_line("site unpin 80"), "site 80 was not pinned")
        self.assertIn("SITE is a number", self.refusal("site add id=x Far far.example"))
        for line in ("site add", "site add x", "site origins 2", "site origins 2 zap x", "site set 2 name", "site set"):
            self.assertTrue(self.refusal(line).startswith("usage: site "), line)

    def test_rename_and_delete(self) -> None:
        """A name may have words; deleting first says what would go, and wants the name."""
        self.assertEqual(self.run_line("site rename 1 Our blog")["name"], "Our blog")
        preview = self.run_line("site delete 1")
        self.assertEqual(preview["comments"], 3)
        self.assertIn("site delete 1 'Our blog'", preview["nothing_was_deleted"])
        self.assertEqual(self.refusal("site delete 1 Blog"), "nothing was deleted")
        self.assertEqual(self.run_line("site delete 1 Our blog")["deleted_rows"], 3)
        self.assertIn("no site 1", self.refusal("site 1"))

    def test_pages_beside_channels(self) -> None:
        """The busiest channels with their pages, as far as those are known."""
        rows = self.run_line("channels 2")
        self.assertEqual([(row["channel"], row["page"]) for row in rows], [("1/0", "demo"), ("1/1", "-")])

    def test_commands_of_features(self) -> None:
        """They are run, listed, explained, known and proposed as the core's are; no two share a name."""
        self.assertEqual(self.run_line("greet world"), "hello world")
        self.assertEqual(self.fake.done, ["greet world for test"])
        self.assertEqual(self.refusal("greet"), "usage: greet NAME")
        self.assertIn("did you mean greet", self.refusal("gret"))
        self.assertEqual(self.run_line("help greet")["help"], "a feature's command")
        self.assertTrue(self.runner.knows("greet you"))
        declared = [command.name for feature in registry().features for command in feature.commands]
        self.assertIn("remove", declared)
        self.assertEqual(set(declared) & set(COMMANDS), set())

    def test_ban(self) -> None:
        """Addresses, networks, visitors and words are checked and put into one form."""
        self.run_line("ban 1 ip 192.0.2.9 1.5")
        self.run_line("ban 1 ip 2001:DB8::7/64")
        self.run_line("ban 1 visitor 77")
        self.run_line("ban 1 word 'buy now'")
        self.assertEqual(
            self.fake.bans.held,
            {
                (1, "ip", "192.0.2.9"): 5400.0,
                (1, "ip", "2001:db8::/64"): None,
                (1, "visitor", "77"): None,
                (1, "word", "buy now"): None,
            },
        )
        self.assertEqual(len(self.run_line("ban list 1")), 4)
        self.run_line("ban remove 1 ip 192.0.2.9/32")
        self.assertIn("has no ban", self.refusal("ban remove 1 ip 192.0.2.9"))
        for line in (
            "ban 1 ip nowhere", "ban 1 visitor x", "ban 1 word x", "ban 1 colour red", "ban 1 ip 192.0.2.9 0",
            "ban 1 ip 192.0.2.9 nan", "ban 1 ip 192.0.2.9 inf", "ban x ip 192.0.2.9", "ban 1 ip",
        ):
            self.refusal(line)
        self.assertEqual(len(self.fake.bans.held), 3)

    def test_loglevel(self) -> None:
        """The level is shown and set; nonsense leaves it."""
        self.addCleanup(logs.set_level, logs.levels.logLevelForNamespace("").name)
        self.assertEqual(self.run_line("loglevel debug"), {"level": "debug"})
        self.assertIn("LEVEL is one of", self.refusal("loglevel loud"))
        self.assertEqual(self.run_line("loglevel"), {"level": "debug"})

    def test_process_commands(self) -> None:
        """gc, drain and shutdown reach the process."""
        for line in ("gc", "drain", "shutdown"):
            self.run_line(line)
        self.assertEqual(self.fake.done, ["collect", "drain", "shutdown"])


class SecretTests(SynchronousTestCase):
    """What is logged of a line."""

    def test_hidden(self) -> None:
        """Whatever follows the name of a secret, after a space or an equals sign."""
        for words, shown in (
            (["site", "set", "1", "channel_secret", "abc"], ["site", "set", "1", "channel_secret", "***"]),
            (["provider", "set", "1", "x", "--secret=abc", "--label", "y"],
             ["provider", "set", "1", "x", "--secret=***", "***"]),
            (["ban", "add", "1"], ["ban", "add", "1"]),
        ):  # fmt: skip
            self.assertEqual(list(_without_secrets(words)), shown)


class RunnerTests(RunnerCase):
    def test_unknown(self) -> None:
        """A typing mistake gets a proposal, and control characters are not echoed raw."""
        self.assertEqual(self.refusal("statsu"), "unknown command 'statsu'; did you mean status?")
        self.assertNotIn("\x1b", self.refusal("\x1b[2J"))
        self.refusal("")
        self.refusal("ban 'open")
        self.refusal("x" * 5000)

    def test_no_secret_in_the_audit_log(self) -> None:
        """The value of a setting that is a secret stays out of the log."""
        from twisted.logger import globalLogPublisher

        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.start("site set 1 webhook_secret hunter2 hunter3").addErrback(lambda f: None)
        self.start("site set 1 webhook_secret hunter2").addErrback(lambda f: None)
        self.assertIn("webhook_secret '***'", [e["line"][11:] for e in events if "line" in e])
        self.assertNotIn("hunter", repr(events))

    def test_expected_error_is_one_line_without_a_traceback(self) -> None:
        """An error that areas are known to raise is told, not logged."""

        async def sites() -> None:
            raise Unavailable("no server\nanswers")

        self.patch(self.fake.sites, "sites", sites)
        self.assertEqual(self.refusal("site"), "Unavailable: no server answers")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_bug_is_logged(self) -> None:
        """Any other error is told in one line and logged with its traceback."""

        async def sites() -> None:
            raise KeyError("oops")

        self.patch(self.fake.sites, "sites", sites)
        self.assertIn("KeyError", self.refusal("site"))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.metrics.value("admin_commands_total", command="site", outcome="failed"), 1)

    def test_time_limit(self) -> None:
        """A command that does not come back is given up after 30 s, and its late answer goes nowhere."""
        never: Deferred[Any] = Deferred()

        async def sites() -> Any:
            return await never

        self.patch(self.fake.sites, "sites", sites)
        waiting = self.start("site")
        self.clock.advance(29)
        self.assertNoResult(waiting)
        self.clock.advance(1)
        self.assertIn("no answer for 30 s", str(self.failureResultOf(waiting, CommandError).value))
        never.callback([])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_timer_is_left(self) -> None:
        """A command that answers leaves nothing scheduled."""
        self.run_line("status")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(st.text(alphabet=string.printable + "é中\x00", max_size=60))
    def test_any_line(self, line: str) -> None:
        """Whatever is typed, the outcome is an answer, a CommandError or Quit."""
        if line.split()[:1] in (["loglevel"], ["gc"]):
            return
        outcome: list[Any] = []
        runner = Runner(FakeConsole().console, Clock(), Metrics())
        Deferred.fromCoroutine(runner.run(line, "test")).addErrback(lambda f: f.trap(CommandError, Quit)).addBoth(
            outcome.append
        )
        self.assertEqual(len(outcome), 1)
        self.assertFalse(hasattr(outcome[0], "getTraceback"), outcome[0])

    def test_parse_channel(self) -> None:
        """A position's channel is taken as it is, with or without its seq."""
        self.assertEqual(parse_channel("17/42@106").channel, 42)
        self.assertEqual(parse_channel("17/042x").channel, channel_id("comments", "042x"))
