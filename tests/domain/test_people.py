"""People: who somebody is who signed in, and what becomes of what they wrote before."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.channels import ChannelRef
from cackled.domain.errors import BadField, Unauthorized
from cackled.domain.names import skeleton
from cackled.domain.people import Facts, Following, People
from cackled.domain.sessions import BY_SITE, SIGNED_IN, Session
from cackled.products.comments.people import AUTHORED
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id

NOW = 1_800_000_000.0
NEW = 777


def facts(subject: str = "u1", name: str = "Ann", level: int = SIGNED_IN, **more: Any) -> Facts:
    """What a provider says."""
    given = {"provider": "sso" if level == BY_SITE else "acme", "stated": NOW, **more}
    return Facts(subject=subject, name=name, level=level, **given)


class PeopleCase(DomainCase):
    """People of site 1."""

    async def setUp(self) -> None:
        await super().setUp()
        self.people = People(self.site, self.database)
        self.following = Following(self.database, (AUTHORED,), self.evicted.append)

    async def sign_in(self, guest: int = 0, new: int = NEW, **more: Any) -> Session:
        """Somebody signs in."""
        return await self.people.sign_in(facts(**more), guest, new, NOW)

    async def write(self, session: Session, text: str = "hello", name: str = "", key: str = "page") -> Any:
        """Write a comment; gives it."""
        written = await self.comments.post(session, ChannelRef(key), text, name)
        return json.loads(written.comment)

    async def follow(self) -> None:
        """Do what waits in the outbox."""
        for (body,) in self.sql("delete from outbox where kind = 'people' returning body"):
            asked = {name: int(value) for name, value in json.loads(body).items()}
            await self.following.follow(1, asked["visitor"], asked["from"])

    def authors(self) -> list[tuple[int, str]]:
        """Whose comments there are."""
        return self.sql("select visitor_id, author_name from comment order by id")


class SignInTests(PeopleCase):
    """Whose identity is whose."""

    async def test_first_time(self) -> None:
        """The guest becomes the person, so that what they wrote is theirs already; the name follows."""
        await self.post(name="Guest")
        session = await self.sign_in(ANN)
        self.assertEqual((session.visitor, session.level, session.since), (ANN, SIGNED_IN, int(NOW)))
        await self.follow()
        self.assertEqual(self.authors(), [(ANN, "Ann")])
        kinds = [kind for _, kind, _ in self.events()]
        self.assertEqual(kinds, ["comment.created", "comment.updated"])
        shown = self.events()[-1][2]["comment"]["author"]
        self.assertEqual(shown, {"id": str(ANN), "name": "Ann", "avatar": None, "badges": ["first-week"]})

    async def test_many_at_once(self) -> None:
        """Guests who write at the same moment ask once whether the site has people."""
        asked = []
        ask = self.people._ask_any
        self.patch(self.people, "_ask_any", lambda: asked.append(1) or ask())
        names = [Deferred.fromCoroutine(self.people.author(Session(1, 100 + n), f"Guest {n}")) for n in range(300)]
        self.assertEqual([await one for one in names], [f"Guest {n}" for n in range(300)])
        self.assertEqual(len(asked), 1)

    async def test_again(self) -> None:
        """The same identity is the same person, from wherever; what a guest wrote there is carried over, once."""
        await self.sign_in(ANN)
        first = await self.post("one", by=BOB, name="Guest")
        await self.post("two", by=CAT, name="Cat")
        await self.comments.vote(Session(1, BOB), the_id(await self.post("three", by=CAT, name="Cat")), 1)
        session = await self.sign_in(BOB, 888)
        self.assertEqual(session.visitor, ANN)
        await self.follow()
        self.assertEqual(self.authors(), [(ANN, "Ann"), (CAT, "Cat"), (CAT, "Cat")])
        self.assertEqual(self.sql("select visitor_id, value from vote"), [(ANN, 1)])
        self.assertEqual(self.sql("select id, n_comments from visitor order by id"), [(ANN, 1), (CAT, 2)])
        # The log says whose it is, by which an erasure finds it.
        held = [data["comment"] for _, _, data in self.events() if "comment" in data]
        told = {one["author"]["id"] for one in held if one["id"] == str(the_id(first))}
        self.assertEqual(told, {str(ANN)})
        await self.follow()
        self.assertEqual(len(self.events()), 5)

    async def test_votes_meet(self) -> None:
        """A vote of both on one comment counts once; one of the person's on what the guest wrote, not at all."""
        await self.sign_in(ANN)
        person = Session(1, ANN, SIGNED_IN)
        theirs = the_id(await self.post("x", by=CAT, name="Cat"))
        own = the_id(await self.post("y", by=BOB, name="Guest"))
        for one, comment in ((person, theirs), (Session(1, BOB), theirs), (person, own)):
            await self.comments.vote(one, comment, 1)
        await self.sign_in(BOB)
        await self.follow()
        self.assertEqual(self.sql("select id, up from comment order by id"), [(theirs, 1), (own, 0)])
        self.assertEqual(self.sql("select visitor_id, comment_id from vote"), [(ANN, theirs)])

    async def test_verified_mail_links(self) -> None:
        """Two ways to sign in are one person by a verified address; not by one that anybody may claim."""
        one = await self.sign_in(0, 1, email="a@x.example", verified=True)
        two = await self.sign_in(0, 2, provider="other", email="A@x.example", verified=True)
        three = await self.sign_in(0, 3, provider="third", email="a@x.example")
        self.assertEqual([session.visitor for session in (one, two, three)], [1, 1, 3])
        # Nor is the first person's word for it enough.
        await self.sign_in(0, 4, subject="u4", email="b@x.example")
        five = await self.sign_in(0, 5, subject="u5", email="b@x.example", verified=True)
        self.assertEqual(five.visitor, 5)

    async def test_somebody_else_on_the_same_machine(self) -> None:
        """Who signs in after another person gets nothing of theirs."""
        await self.sign_in(ANN)
        other = await self.sign_in(ANN, 5, subject="u2", name="Bob")
        self.assertEqual(other.visitor, 5)
        self.assertEqual(self.sql("select count(*) from outbox"), [(0,)])

    async def test_newest_statement_wins(self) -> None:
        """An older statement that comes later changes nothing."""
        await self.sign_in(ANN, level=BY_SITE, name="New", groups=("gold",), stated=NOW)
        session = await self.sign_in(0, level=BY_SITE, name="Old", groups=(), stated=NOW - 5)
        person = await self.people.find(ANN)
        assert person is not None
        self.assertEqual((person.name, person.groups, session.groups), ("New", ("gold",), {"gold"}))

    async def test_groups_are_the_sites_word(self) -> None:
        """Who came by another way is in no group, though the person is known to be."""
        await self.sign_in(ANN, level=BY_SITE, groups=("gold",), staff="moderator", email="a@x.example", verified=True)
        session = await self.sign_in(0, provider="acme", email="a@x.example", verified=True)
        self.assertEqual((session.visitor, session.groups, session.staff), (ANN, frozenset(), ""))

    async def test_ban_follows(self) -> None:
        """Signing in lifts no ban."""
        await self.sign_in(ANN)
        await self.post("x", by=BOB, name="Guest")
        self.sql("insert into ban (site_id, kind, value) values (1, 'visitor', %s)", str(BOB))
        await self.sign_in(BOB)
        await self.follow()
        error = await self.refused(self.comments.post(Session(1, ANN, SIGNED_IN), ChannelRef("page"), "again", ""))
        self.assertEqual(error.slug, "banned")

    async def test_many(self) -> None:
        """More than fits into one step."""
        await self.sign_in(ANN)
        for number in range(130):
            await self.post(f"n{number}", by=BOB, name="Guest", key=f"page{number % 3}")
        await self.sign_in(BOB)
        await self.follow()
        self.assertEqual(self.sql("select distinct visitor_id, author_name from comment"), [(ANN, "Ann")])

    async def test_erased(self) -> None:
        """Nothing is kept of a person who was forgotten, and signing in again makes another."""
        await self.sign_in(ANN)
        self.sql("insert into erasure (site_id, visitor_id) values (1, %s)", ANN)
        self.sql("select forget_visitor(1, %s, '{}', '{}', '{}')", ANN)
        self.assertEqual(self.sql("select count(*) from person"), [(0,)])
        self.assertEqual(self.sql("select count(*) from person_identity"), [(0,)])
        self.assertEqual((await self.sign_in(ANN, 9)).visitor, 9)

    async def test_other_site(self) -> None:
        """A person of one site is nobody on another."""
        two = await self.sites.add("Two", ["two.example"], site_id=2)
        assert two is not None
        await self.sign_in(ANN, email="a@x.example", verified=True)
        session = await People(two, self.database).sign_in(facts(email="a@x.example", verified=True), 0, 5, NOW)
        self.assertEqual((session.site, session.visitor), (2, 5))
        self.assertIsNone(await People(two, self.database).find(ANN))


class RenewTests(PeopleCase):
    """Sessions made anew."""

    async def test_renewed(self) -> None:
        """As long as the person did not sign out, and the site's own word for it is fresh."""
        mine = await self.sign_in(ANN)
        self.assertEqual(await self.people.renew(mine, NOW + 86_400 * 30), mine)
        self.assertIsNone(await self.people.renew(mine, NOW + 86_400 * 91))
        theirs = await self.sign_in(0, 5, subject="u5", level=BY_SITE, groups=("gold",))
        self.assertEqual(await self.people.renew(theirs, NOW + 3_600), theirs)
        self.assertIsNone(await self.people.renew(theirs, NOW + 86_401))
        old = Session(1, ANN, SIGNED_IN, since=1_000)
        await self.people.sign_out(old)
        self.assertIsNone(await self.people.renew(old, 2_000.0))
        self.assertIsNone(await self.people.renew(Session(1, BOB, SIGNED_IN, since=int(NOW)), NOW))


class NameTests(PeopleCase):
    """Who may go by which name."""

    async def test_own_name(self) -> None:
        """A person writes under their own name, with what is shown of them, whatever the call says."""
        session = await self.sign_in(ANN, level=BY_SITE, name="Ann", avatar="https://x.example/a.png", badges=("gold",),
                                     staff="moderator")  # fmt: skip
        comment = await self.write(session, name="Somebody Else")
        self.assertEqual(comment["author"], {
            "id": str(ANN), "name": "Ann", "avatar": f"/avatar/1/{ANN}",
            "badges": ["staff", "verified", "first-week", "gold"],
        })  # fmt: skip

    async def test_protected(self) -> None:
        """A guest can't have the name of a person, nor one that looks like it; of another site's person they can."""
        await self.sign_in(ANN, name="Admin Paul")
        for name in ("Admin Paul", "admin paul", "Аdmin Pаul", "ADM1N  PAUL", "Admin\u200bPaul"):
            error = await self.refused(self.post(by=BOB, name=name))
            self.assertIsInstance(error, BadField)
            self.assertEqual(error.extra, {"reason": "taken"}, name)
        await self.post(by=BOB, name="Admiral Paul")
        two = await self.sites.add("Two", ["two.example"], site_id=2)
        assert two is not None
        await self.of(two).post(Session(2, BOB), ChannelRef("page"), "x", "Admin Paul")

    async def test_old_guest_session(self) -> None:
        """The guest's token of somebody who signed in since does not write in their name."""
        await self.sign_in(ANN)
        error = await self.refused(self.post(by=ANN, name="Whoever"))
        self.assertIsInstance(error, Unauthorized)

    async def test_change(self) -> None:
        """A person's own name is changed everywhere; one that the site gave is not."""
        session = await self.sign_in(ANN)
        await self.write(session)
        await self.people.change(session, name="Anna", private=True)
        await self.follow()
        self.assertEqual(self.authors(), [(ANN, "Anna")])
        other = await self.sign_in(0, 5, subject="u5", level=BY_SITE, name="Five")
        error = await self.refused(self.people.change(other, name="Six"))
        self.assertEqual(error.status, 409)
        error = await self.refused(self.people.change(Session(1, 99, SIGNED_IN), private=True))
        self.assertEqual(error.status, 404)


class SkeletonTests(SynchronousTestCase):
    """What names look like."""

    def test_alike(self) -> None:
        """Pairs that a reader takes for one another, and pairs that nobody does."""
        for one, two in (("Admin", "Аdmin"), ("Admin", "adm1n"), ("Łukasz", "lukasz"), ("modern", "rnodern"),
                         ("Zoë", "Zoe"), ("A.n.n", "Ann"), ("ＡＮＮ", "ann")):  # fmt: skip
            self.assertEqual(skeleton(one), skeleton(two), (one, two))
        for one, two in (("Ann", "Anna"), ("Иван", "Петр"), ("😀", "😎"), ("王", "李")):
            self.assertNotEqual(skeleton(one), skeleton(two), (one, two))
