"""Passkeys (WebAuthn level 3): signing in without a password, by a key that never leaves its owner's device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from cackled.accounts.challenges import Challenges
from cackled.accounts.store import MOST_NAME, Account
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict, Unauthorized
from cackled.domain.text import clean_line

MOST_PASSKEYS = 20
# Milliseconds that a browser waits for its user.
PATIENCE = 300_000

INSERT_PASSKEY = Query(
    "insert_passkey",
    """
    insert into catalog.passkey (account_id, credential, public_key, sign_count, name)
    select $1, $2, $3, $4, $5 where (select count(*) from catalog.passkey where account_id = $1) < $6
    on conflict (credential) do nothing returning id
    """,
    ("bigint", "bytea", "bytea", "bigint", "text", "int"),
)
_TIME = "to_char({} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
SELECT_PASSKEYS = Query(
    "select_passkeys",
    f"""
    select id, name, {_TIME.format("created_at")}, {_TIME.format("used_at")}, credential from catalog.passkey
    where account_id = $1 order by id
    """,
    ("bigint",),
)
SELECT_PASSKEY = Query(
    "select_passkey", "select id, account_id, public_key, sign_count from catalog.passkey where credential = $1",
    ("bytea",),
)  # fmt: skip
USE_PASSKEY = Query(
    "use_passkey", "update catalog.passkey set used_at = now(), sign_count = $2 where id = $1", ("bigint", "bigint")
)
DELETE_PASSKEY = Query(
    "delete_passkey", "delete from catalog.passkey where account_id = $1 and id = $2 returning id",
    ("bigint", "bigint"),
)  # fmt: skip


class Passkey(Struct, frozen=True):
    """A passkey, as its owner sees it; times are text, in UTC."""

    id: str
    name: str
    created: str
    used: str | None


class Place(Struct, frozen=True):
    """Where a browser asks from: the host, to which passkeys belong, and the origin."""

    host: str
    origin: str


class _ClientData(Struct):
    challenge: str


class Passkeys:
    """The passkeys of all accounts."""

    def __init__(self, database: Database, challenges: Challenges) -> None:
        self._database = database.system
        self._challenges = challenges

    async def offer(self, account: Account, place: Place) -> dict[str, Any]:
        """What a browser makes a passkey with (``PublicKeyCredentialCreationOptions``)."""
        import webauthn
        from webauthn.helpers import structs

        made = webauthn.generate_registration_options(
            rp_id=place.host,
            rp_name="cackled",
            user_id=_handle(account.id),
            user_name=account.email,
            user_display_name=account.shown,
            challenge=await self._challenges.make("passkey", _handle(account.id)),
            timeout=PATIENCE,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                structs.PublicKeyCredentialDescriptor(id=one) for one in await self._credentials(account.id)
            ],
        )
        options: dict[str, Any] = msgspec.json.decode(webauthn.options_to_json(made))
        return options

    async def add(self, account: Account, credential: dict[str, Any], name: str, place: Place) -> int:
        """Keep a passkey that a browser has made.

        Raises:
            BadField: it does not answer to what we asked.
            Conflict: it is known, or there are too many.
        """
        import webauthn

        challenge = _challenge_of(credential)
        about = _handle(account.id)
        if not await self._challenges.holds(challenge, "passkey", about):
            raise BadField("That took too long. Try once more.", field="credential")
        try:
            made = webauthn.verify_registration_response(
                credential=credential, expected_challenge=challenge, expected_rp_id=place.host,
                expected_origin=place.origin, require_user_verification=True,
            )  # fmt: skip
        except Exception:
            # The library refuses what is malformed by many kinds of exception.
            raise BadField("That passkey can't be used here.", field="credential") from None
        if not await self._challenges.spend(challenge, "passkey"):
            raise BadField("That was sent before.", field="credential")
        rows = await self._database.write(
            INSERT_PASSKEY, account.id, made.credential_id, made.credential_public_key, made.sign_count,
            clean_line(name).strip()[:MOST_NAME], MOST_PASSKEYS,
        )  # fmt: skip
        if not rows:
            raise Conflict(f"It is known already, or there are {MOST_PASSKEYS}.", slug="passkeys")
        return int(rows[0][0])

    async def ask(self, place: Place) -> dict[str, Any]:
        """What a browser signs in with (``PublicKeyCredentialRequestOptions``); any passkey of this host will do."""
        import webauthn
        from webauthn.helpers import structs

        made = webauthn.generate_authentication_options(
            rp_id=place.host,
            challenge=await self._challenges.make("sign in"),
            timeout=PATIENCE,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        options: dict[str, Any] = msgspec.json.decode(webauthn.options_to_json(made))
        return options

    async def account_of(self, credential: dict[str, Any], place: Place) -> int:
        """Whose passkey has signed our challenge.

        Raises:
            Unauthorized: nobody's, or it was sent before.
        """
        import webauthn
        from webauthn.helpers import base64url_to_bytes

        try:
            challenge, raw = _challenge_of(credential), base64url_to_bytes(str(credential.get("rawId", ""))[:2_000])
        except (BadField, ValueError):
            raise _strange() from None
        if not await self._challenges.holds(challenge, "sign in"):
            raise _strange()
        rows = (await self._database.read(SELECT_PASSKEY, raw, preference=ReadPreference.PRIMARY)).rows
        if not rows:
            raise _strange()
        number, account, public_key, count = rows[0]
        try:
            done = webauthn.verify_authentication_response(
                credential=credential, expected_challenge=challenge, expected_rp_id=place.host,
                expected_origin=place.origin, credential_public_key=bytes(public_key),
                credential_current_sign_count=count, require_user_verification=True,
            )  # fmt: skip
        except Exception:
            raise _strange() from None
        if not await self._challenges.spend(challenge, "sign in"):
            raise _strange()
        await self._database.write(USE_PASSKEY, number, done.new_sign_count)
        return int(account)

    async def listed(self, account: int) -> list[Passkey]:
        """The passkeys of an account."""
        rows = await self._database.read(SELECT_PASSKEYS, account, preference=ReadPreference.PRIMARY)
        return [Passkey(str(row[0]), *row[1:4]) for row in rows.rows]

    async def remove(self, account: int, number: int) -> bool:
        """Know it no more; False where the account has none of that number."""
        return bool(await self._database.write(DELETE_PASSKEY, account, number))

    async def _credentials(self, account: int) -> list[bytes]:
        rows = await self._database.read(SELECT_PASSKEYS, account, preference=ReadPreference.PRIMARY)
        return [bytes(row[4]) for row in rows.rows]


def _handle(account: int) -> bytes:
    return account.to_bytes(8, "big")


def _strange() -> Unauthorized:
    return Unauthorized("No account knows that passkey, or it took too long. Try once more.", slug="wrong-passkey")


def _challenge_of(credential: dict[str, Any]) -> bytes:
    """The challenge that a browser's answer says that it signed.

    Raises:
        BadField: it is no such answer.
    """
    from webauthn.helpers import base64url_to_bytes

    decode: Callable[[str], bytes] = base64url_to_bytes
    try:
        data = decode(credential["response"]["clientDataJSON"][:10_000])
        return decode(msgspec.json.decode(data, type=_ClientData).challenge[:1_000])
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError, AttributeError):
        raise BadField("That is no answer of a passkey.", field="credential") from None
