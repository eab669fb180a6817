"""Operator commands on ways to sign in."""

from __future__ import annotations

from typing import Any

from cackled.domain.commands import CommandError, OperatorParts, Usage
from cackled.identity.commands import COMMANDS
from tests.identity.common import IdentityCase


class ProviderTests(IdentityCase):
    """``cackled admin provider``."""

    async def tell(self, *words: str) -> Any:
        """Run the command."""
        parts = OperatorParts(
            sites=self.application.sites, database=self.application.database, evict=print,
            shared=self.application.shared,
        )  # fmt: skip
        return await COMMANDS[0].run(parts, words)

    async def test_life(self) -> None:
        """Set up, changed, listed, taken away; the secret is shown to nobody and stays where none is given."""
        made = await self.tell("set", "1", "acme", "oidc", "--issuer", "https://id.example", "--client-id=abc",
                               "--secret", "hush", "--label", "Acme", "--position", "3")  # fmt: skip
        self.assertEqual(made, [{
            "name": "acme", "kind": "oidc", "label": "Acme", "issuer": "https://id.example", "client_id": "abc",
            "secret": "set", "enabled": "yes", "position": 3,
        }])  # fmt: skip
        changed = await self.tell("set", "1", "acme", "--disable", "--label=Other")
        self.assertEqual((changed[0]["enabled"], changed[0]["label"], changed[0]["secret"]), ("no", "Other", "set"))
        self.assertNotIn("hush", str(await self.tell("1")))
        self.assertEqual(await self.tell("2"), [])
        self.assertEqual(await self.tell("remove", "1", "acme"), [])

    async def test_wrong(self) -> None:
        """One line that says what to do."""
        for words in ((), ("set",), ("set", "1"), ("set", "1", "x", "oidc", "--issuer"), ("remove", "1"),
                      ("set", "1", "x", "oidc", "--colour", "red"), ("list",), ("set", "1", "x", "mail", "--enable=1")):
            with self.assertRaises((Usage, CommandError), msg=words):
                await self.tell(*words)
        for words in (("9",), ("x",), ("set", "1", "x", "teapot"), ("set", "1", "x"), ("set", "1", "X!", "mail"),
                      ("set", "1", "x", "oidc"), ("set", "1", "x", "google"), ("remove", "1", "nobody"),
                      ("set", "1", "x", "mail", "--position", "-1")):
            with self.assertRaises(CommandError, msg=words) as caught:
                await self.tell(*words)
            self.assertNotIn("\n", str(caught.exception))
