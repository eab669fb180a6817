"""What visitors connected and shared is told to nobody but them: not on another site, nor to their site's staff."""

from __future__ import annotations

from tests.sharing.test_mastodon import MastodonCase
from tests.support.read_routes import read_all
from tests.support.staff import sign_in, site_key

# As the account's name and the address of a post.
CANARIES = ("canary1account", "canary2post")


class CanaryTests(MastodonCase):
    """A visitor of site 1 who shared something."""

    timeout = 300

    async def test_outputs(self) -> None:
        """Every route that reads, as staff, keys and other visitors of both sites."""
        await self.connect("mastodon")
        item = await self.write()
        await self.share(item, "mastodon")
        await self.work()
        token, = self.instance.tokens  # fmt: skip
        self.sql("update share_account set name = %s", CANARIES[0])
        self.sql("update share set url = %s", f"https://{CANARIES[1]}.example/1")
        number = self.visitor_of(self.auth)
        mine = (await self.call("GET", "/api/v1/sites/1/share/accounts")).body.decode()
        self.assertTrue(all(one in mine for one in CANARIES))
        self.assertNotIn(token, mine)
        # The site number 2 has the same visitor's number, and another account.
        self.sql("insert into share_account (site_id, visitor_id, network, server, name, sealed)"
                 " values (2, %s, 'mastodon', 'https://two.example', 'second', '')", number)  # fmt: skip
        self.assertNotIn("second", mine)
        ids = {"visitor": number}
        for client, site in (
            (await sign_in(self, "owner"), 1), (await sign_in(self, "owner", site=2, email="b@b.example"), 2),
            (await site_key(self, ["read", "moderate"]), 1), (await site_key(self, ["read"], site=2), 2),
        ):
            async for path, answer in read_all(self, site, client=client, ids=ids, queries=("", f"?item={item}")):
                text = (answer.raw + answer.body).decode("utf-8", "replace")
                # An admin gives out, on request, all that is held of somebody: never what lets act as them.
                own = "/data" in path and site == 1
                self.assertFalse([one for one in CANARIES if one in text and not own], path)
                self.assertNotIn(token, text, path)
        for site in (1, 2):
            other = await self.visitor(site)
            async for path, answer in read_all(self, site, auth=other, ids=ids, queries=("", f"?item={item}")):
                text = (answer.raw + answer.body).decode("utf-8", "replace")
                self.assertFalse([one for one in (*CANARIES, token) if one in text], path)
