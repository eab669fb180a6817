"""Refusals: what a database function raised becomes a stable slug, a status and words."""

from __future__ import annotations

import re
from importlib.resources import files

from twisted.trial.unittest import SynchronousTestCase

from cackled.domain import errors
from cackled.domain.errors import Conflict, Forbidden, NotFound, Refusals, Refused, TooFast, Unprocessable
from cackled.products import PRODUCTS

from_sqlstate = Refusals([refusal for product in PRODUCTS for refusal in product.refusals]).find


class FromSqlstateTests(SynchronousTestCase):
    """`Refusals`."""

    def test_known(self) -> None:
        """Each state and reason gives its refusal, however the server words the line."""
        for state, reason, kind, status, field in (
            ("CK403", "banned", Forbidden, 403, None),
            ("CK403", "locked", Forbidden, 403, None),
            ("CK403", "author", Forbidden, 403, None),
            ("CK404", "comment", NotFound, 404, None),
            ("CK409", "window", Conflict, 409, None),
            ("CK409", "key", Conflict, 409, None),
            ("CK422", "parent", Unprocessable, 422, "parent"),
            ("CK422", "depth", Unprocessable, 422, "parent"),
        ):
            for line in (reason, f"ERROR:  {reason}", f"{reason}\nCONTEXT: x"):
                made = from_sqlstate(state, line)
                assert made is not None
                self.assertIs(type(made), kind)
                self.assertEqual((made.status, made.slug, made.field), (status, reason, field))
                self.assertTrue(made.detail)

    def test_others(self) -> None:
        """A state that is no refusal gives None; an unknown reason of a known state the general one."""
        self.assertIsNone(from_sqlstate("23505", "duplicate key"))
        made = from_sqlstate("CK403", "something new")
        assert made is not None
        self.assertEqual((made.status, made.slug), (403, "forbidden"))

    def test_every_raise_is_known(self) -> None:
        """Whatever the SQL functions raise is in the table, word for word."""
        folder = files("cackled.database") / "sql"
        sql = "".join(one.read_text() for one in folder.iterdir() if one.name.endswith(".sql"))
        raised = set(re.findall(r"errcode = '(CK\d{3})', message = '(\w+)'", sql))
        self.assertEqual(sql.count("raise exception"), len(re.findall(r"errcode = '", sql)))
        self.assertTrue(raised)
        for state, word in raised:
            made = from_sqlstate(state, word)
            assert made is not None
            self.assertEqual((made.slug, made.status), (word, int(state[2:])))


class RefusedTests(SynchronousTestCase):
    """The classes."""

    def test_apart(self) -> None:
        """Every kind has a status of its own meaning, a slug for programs and a title for people."""
        kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Refused)]
        slugs = [kind.slug for kind in kinds]
        self.assertEqual(len(set(slugs)), len(slugs))
        for kind in kinds:
            self.assertRegex(kind.slug, r"\A[a-z-]+\Z")
            self.assertTrue(400 <= kind.status < 500)
            self.assertTrue(kind.title)

    def test_too_fast(self) -> None:
        """A rate limit tells its wait, to people never as 0 seconds."""
        self.assertEqual(TooFast(0.2).retry_after, 0.2)
        self.assertIn("in 1 second.", TooFast(0.2).detail)
        self.assertIn("in 8 seconds.", TooFast(7.2).detail, "as Retry-After, which is rounded up")
