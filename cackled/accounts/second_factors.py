"""Second factors: codes of an app (TOTP, RFC 6238) and recovery codes. Each code works once."""

from __future__ import annotations

import hmac
import unicodedata
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pyotp
from msgspec import Struct

from cackled.accounts.challenges import Challenges
from cackled.accounts.store import Account
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField
from cackled.domain.qr import Qr, draw

ISSUER = "cackled"
STEP = 30
# Steps that a clock may be off, each way.
DRIFT = 1
SECRET_BYTES = 20
RECOVERY_CODES, RECOVERY_BYTES = 10, 10

SET_TOTP = Query(
    "set_totp",
    "update catalog.account set totp = $2, totp_step = $3 where id = $1 returning id", ("bigint", "bytea", "bigint"),
)  # fmt: skip
# A code that was taken is taken no more, nor is an older one.
TAKE_TOTP_STEP = Query(
    "take_totp_step",
    "update catalog.account set totp_step = $2 where id = $1 and totp_step < $2 returning id", ("bigint", "bigint"),
)  # fmt: skip
REPLACE_RECOVERY_CODES = Query(
    "replace_recovery_codes",
    """
    with old as (delete from catalog.recovery_code where account_id = $1 and hash <> all($2))
    insert into catalog.recovery_code (account_id, hash) select $1, unnest($2) on conflict do nothing
    """,
    ("bigint", "bytea[]"),
)
TAKE_RECOVERY_CODE = Query(
    "take_recovery_code", "delete from catalog.recovery_code where account_id = $1 and hash = $2 returning account_id",
    ("bigint", "bytea"),
)  # fmt: skip
COUNT_RECOVERY_CODES = Query(
    "count_recovery_codes", "select count(*)::int from catalog.recovery_code where account_id = $1", ("bigint",)
)


class Setup(Struct, frozen=True):
    """What an authenticator app needs: ``secret`` to type, ``uri`` to open, ``qr`` to scan.

    ``token`` goes with the first code.
    """

    token: str
    secret: str
    uri: str
    qr: Qr


def _code_hash(code: str) -> bytes:
    return sha256("".join(letter for letter in code.upper() if letter.isalnum()).encode()).digest()


def _digits(code: str) -> str:
    """A code as apps show it: without spaces, its digits 0 to 9 whatever script the keyboard has."""
    return "".join(str(unicodedata.decimal(one, one)) for one in code if not one.isspace())


class Factors:
    """The second factors of all accounts."""

    def __init__(
        self, database: Database, random: Any, challenges: Challenges, wall_time: Callable[[], float]
    ) -> None:
        self._database = database.system
        self._random = random
        self._challenges = challenges
        self._wall_time = wall_time

    async def begin(self, account: Account) -> Setup:
        """A secret for an app; nothing is kept before the app has shown that it has it."""
        raw: bytes = self._random.getrandbits(SECRET_BYTES * 8).to_bytes(SECRET_BYTES, "big")
        secret = b32encode(raw).decode("ascii")
        challenge = await self._challenges.make("totp", raw + account.id.to_bytes(8, "big"))
        uri = pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)
        return Setup(urlsafe_b64encode(challenge).decode("ascii"), secret, uri, draw(uri))

    async def finish(self, account: Account, token: str, secret: str, code: str) -> list[str]:
        """Ask for codes from now on; gives new recovery codes, which are shown once.

        Raises:
            BadField: that is not the secret's code, or the setting up took too long.
        """
        try:
            raw = pyotp.TOTP(secret).byte_secret()
            challenge = urlsafe_b64decode(token)
        except ValueError:
            raise BadField("Begin once more: that was not begun here.", field="token") from None
        if not await self._challenges.holds(challenge, "totp", raw + account.id.to_bytes(8, "big")):
            raise BadField("Begin once more: it took too long.", field="token")
        step = self._step(raw, code)
        if step is None:
            raise BadField("That is not the app's code. Is its clock right?", field="code")
        await self._database.write(SET_TOTP, account.id, raw, step)
        return await self.new_recovery_codes(account.id)

    async def end(self, account: int) -> None:
        """Turn off authenticator codes."""
        await self._database.write(SET_TOTP, account, None, 0)
        await self._database.write(REPLACE_RECOVERY_CODES, account, [])

    async def new_recovery_codes(self, account: int) -> list[str]:
        """Ten codes in place of those there were."""
        codes = []
        for _ in range(RECOVERY_CODES):
            text = b32encode(self._random.getrandbits(RECOVERY_BYTES * 8).to_bytes(RECOVERY_BYTES, "big")).decode()
            codes.append("-".join(text[place : place + 4] for place in range(0, len(text), 4)))
        await self._database.write(REPLACE_RECOVERY_CODES, account, [_code_hash(code) for code in codes])
        return codes

    async def recovery_codes(self, account: int) -> int:
        """How many are left."""
        rows = await self._database.read(COUNT_RECOVERY_CODES, account, preference=ReadPreference.PRIMARY)
        return int(rows.rows[0][0])

    async def check(self, account: Account, code: str) -> bool:
        """Whether *code* is one that the account may use now; it can't be used again."""
        code = code.strip()
        if account.totp is None:
            return True
        digits = _digits(code)
        if len(digits) == 6 and digits.isascii() and digits.isdigit():
            step = self._step(account.totp, digits)
            return step is not None and bool(await self._database.write(TAKE_TOTP_STEP, account.id, step))
        return bool(await self._database.write(TAKE_RECOVERY_CODE, account.id, _code_hash(code)))

    def _step(self, raw: bytes, code: str) -> int | None:
        totp = pyotp.TOTP(b32encode(raw).decode("ascii"))
        now = int(self._wall_time()) // STEP
        given = _digits(code).encode("utf-8", "replace")
        found = None
        for step in range(now - DRIFT, now + DRIFT + 1):
            if step >= 0 and hmac.compare_digest(totp.generate_otp(step).encode(), given):
                found = step
        return found
