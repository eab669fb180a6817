"""Settings that are secrets are written and never read: no call, command or log shows one, however it was set."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.logger import eventAsText, globalLogPublisher

from cackled.admin.areas import Sites
from cackled.admin.commands import CommandError, _without_secrets
from cackled.domain.setting_table import SettingTable
from cackled.features import registry
from tests.api.common import ApiCase
from tests.support.staff import sign_in, site_key

SETTINGS = "/api/v1/sites/1/settings"
TABLE = SettingTable(registry().settings({}))
SECRETS = [one.name for one in TABLE.settings.values() if one.secret]


def canary(name: str, turn: int) -> str:
    """A value that the setting takes and nothing else has."""
    return (f"{turn}c0ffee" + name.encode().hex() + "0" * 64)[:64]


class SecretSettingTests(ApiCase):
    """All settings of the table that are secrets."""

    async def test_never_shown(self) -> None:
        """Set by people over the API, and by operators; changed, refused, and set back."""
        self.assertGreater(len(SECRETS), 5)
        said: list[str] = []

        def hear(event: dict[str, Any]) -> None:
            said.append(f"{eventAsText(event)} {event!r}")

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)
        owner = await sign_in(self)
        key = await site_key(self, ["sync", "read"])
        first = {name: canary(name, 1) for name in SECRETS}
        changed = await owner.change("PATCH", SETTINGS, {"settings": first})
        self.assertEqual(changed.status, 200, changed)
        values = self.application.sites.shape.values(self.site.settings, self.site.products)
        self.assertEqual({name: values[name] for name in SECRETS}, first)
        shown = [changed.raw]
        for who, path in (
            (owner, SETTINGS), (key, SETTINGS), (owner, "/api/v1/sites/1/audit"), (owner, "/api/v1/sites/1/audit/csv"),
            (owner, "/api/v1/sites/1"), (owner, "/api/v1/auth/me"),
        ):  # fmt: skip
            shown.append((await who.ask("GET", path)).raw)
        told = (await owner.ask("GET", SETTINGS)).json()
        self.assertEqual({name: told["settings"][name] for name in SECRETS}, dict.fromkeys(SECRETS, True))
        # Refused, in whole or by its rights: the problem doesn't say it either.
        second = {name: canary(name, 2) for name in SECRETS}
        for who, body, tag in (
            (owner, {"settings": {**second, "comments.max_length": -1}}, None),
            (owner, {"settings": second}, '"7"'), (key, {"settings": second}, None),
            (owner, {"settings": second}, None),
        ):  # fmt: skip
            answer = await who.ask("PATCH", SETTINGS, body, if_match=tag or await owner.tag(SETTINGS))
            shown.append(answer.raw)
        for name in SECRETS:
            for value in (second[name] + "\0", "x", [second[name]], {"v": second[name]}):
                body = {"settings": {name: value}}
                shown.append((await owner.ask("PATCH", SETTINGS, body, if_match='"7"')).raw)
        shown += [msgspec.json.encode(row) for row in self.sql("select action, detail::text from audit")]
        cleared = await owner.change("PATCH", SETTINGS, {"settings": dict.fromkeys(SECRETS)})
        told = cleared.json()["settings"]
        self.assertEqual({name: told[name] for name in SECRETS}, dict.fromkeys(SECRETS, False))
        whole = b"\n".join([*shown, *(one.encode() for one in said)])
        for values in (first, second):
            for name, value in values.items():
                self.assertNotIn(value.encode(), whole, name)
                self.assertNotIn(value[:40].encode(), whole, name)

    async def test_operators(self) -> None:
        """Commands of operators say that a secret is set, and no more; the logged line of one has no value."""
        area = Sites(self.application.sites)
        for name in SECRETS:
            value = canary(name, 4)
            self.assertEqual(await area.set(1, name, value), "(set)")
            told = [await area.site(1), await area.settings(1), await area.settings(None)]
            self.assertNotIn(value, str(told))
            row = next(one for one in await area.settings(1) if one["setting"] == name)
            self.assertEqual(row["value"], "(set)")
            self.assertNotIn(value, str(_without_secrets(["site", "set", "1", name, value])))
            with self.assertRaises(CommandError) as refused:
                await area.set(1, name, value + "\0")
            self.assertNotIn(value, str(refused.exception))

    def test_defaults(self) -> None:
        """What the operator sets for all sites is told no owner."""
        for name in SECRETS:
            product, _, member = name.rpartition(".")
            if not product:
                continue
            given = SettingTable(registry().settings({product: {member: canary(name, 3)}}))
            self.assertEqual(given.settings[name].default, "(set)", name)
            self.assertNotIn(canary(name, 3), given.markdown())
