"""Locks: what a site says, and who passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import BadField
from cackled.domain.locks import NOBODY, Lock, Rule, Standing, locks_of, read_locks
from cackled.domain.sessions import BY_SITE, GUEST, SIGNED_IN
from cackled.domain.setting_table import SettingTable
from cackled.domain.settings import SettingsShape, SiteSettings

TEXT = "/members/* read sso; /vip/* read group:gold,group:silver; /news/*/talk write signed-in; /news/* read everyone"
MEMBER, VISITOR = Standing(BY_SITE), Standing(SIGNED_IN)
GOLD = Standing(BY_SITE, frozenset(("gold",)))


def settings(**given: str) -> SiteSettings:
    """Those of a site."""
    return replace(SiteSettings(), **given)


class LockTests(SynchronousTestCase):
    """Who passes where."""

    def test_none(self) -> None:
        """A site without locks is open to everybody."""
        locks = locks_of(SiteSettings())
        self.assertFalse(locks.any)
        self.assertIsNone(locks.refused("/x", "write", NOBODY))

    def test_sections(self) -> None:
        """The first that fits counts; elsewhere, what holds for the site."""
        locks = locks_of(settings(locks=TEXT, writers="signed-in"))
        for key, deed, standing, refused in (
            ("/members/a", "read", NOBODY, ("sign-in-first", "sso")),
            ("/members/a", "read", VISITOR, ("sign-in-first", "sso")),
            ("/members/a", "read", MEMBER, None), ("/vip/x", "read", MEMBER, ("not-in-group", "groups")),
            ("/vip/x", "read", NOBODY, ("sign-in-first", "groups")), ("/vip/x", "write", GOLD, None),
            ("/vip", "read", NOBODY, None), ("/x", "read", NOBODY, None),
            ("/x", "write", NOBODY, ("sign-in-first", "signed-in")), ("/x", "write", VISITOR, None),
            ("/news/1/talk", "read", NOBODY, None),
            (None, "read", MEMBER, ("not-in-group", "groups")), (None, "read", GOLD, ("not-in-group", "groups")),
        ):  # fmt: skip
            found = locks.refused(key, deed, standing)  # type: ignore[arg-type]
            told = None if found is None else (found.slug, found.extra["needs"])
            if key is None and standing is GOLD:
                self.assertIsNone(told)
                continue
            self.assertEqual(told, refused, (key, deed, standing))

    def test_broken(self) -> None:
        """What can't be read locks everything: nothing is open by mistake."""
        locks = locks_of(settings(locks="/members/* reed sso"))
        self.assertIsNotNone(locks.refused("/x", "read", GOLD))

    def test_setting(self) -> None:
        """What an operator types is refused where it can't be read."""
        table = SettingTable(SettingsShape())
        self.assertEqual(table.read("locks", TEXT), TEXT)
        self.assertEqual(table.read("locks", ""), "")
        wrong = ("x", "/a read", "/a read nobody", "/a read group:", "/a read sso,group:x", "/a read sso /b read sso")
        for text in wrong:
            self.assertRaises(BadField, table.read, "locks", text)

    @given(st.lists(st.sampled_from(["/a", "*", " ", "read", "write", "sso", "group:x", ",", ";"]), max_size=14))
    def test_pattern_and_reader_agree(self, pieces: list[str]) -> None:
        """Whatever the setting takes can be read."""
        text = "".join(pieces)
        try:
            SettingsShape().check("", "locks", text, "locks")
        except BadField:
            return
        list(read_locks(text))

    @given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
    def test_patterns(self, pattern: str, key: str) -> None:
        """Stars stand for anything; all else for itself."""

        def slow(pattern: str, key: str) -> bool:
            if not pattern:
                return not key
            if pattern[0] == "*":
                return any(slow(pattern[1:], key[at:]) for at in range(len(key) + 1))
            return bool(key) and key[0] == pattern[0] and slow(pattern[1:], key[1:])

        self.assertEqual(Lock(pattern, "read", Rule(GUEST)).fits(key), slow(pattern, key))
