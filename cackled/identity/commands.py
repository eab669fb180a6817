"""Operator commands on the ways in which visitors of a site sign in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from cackled.domain.commands import Command, CommandError, Data, OperatorParts, Usage, site_number
from cackled.domain.errors import Refused
from cackled.identity.flow import SignIn
from cackled.identity.providers import KINDS, Provider, Providers

_VALUES = {"--client-id": "client_id", "--issuer": "issuer", "--label": "label", "--position": "position"}


async def provider(parts: OperatorParts, words: Sequence[str]) -> Data:
    """List them, set one up or change it, take one away."""
    match list(words):
        case [number] | ["list", number]:
            return [_row(one) for one in await _providers(parts, number).all()]
        case ["set", number, name, kind, *options] if not kind.startswith("-"):
            return await _set(_providers(parts, number), name, kind, options)
        case ["set", number, name, *options]:
            return await _set(_providers(parts, number), name, "", options)
        case ["remove", number, name]:
            found = _providers(parts, number)
            await _tried(found.delete(name))
            return [_row(one) for one in await found.all()]
    raise Usage


def _providers(parts: OperatorParts, number: str) -> Providers:
    site = parts.site(site_number(number))
    sign_in: SignIn | None = parts.shared.get(SignIn)
    if sign_in is None:
        raise CommandError("ask the daemon itself: the command needs the key that secrets are sealed with")
    return sign_in.providers(site)


def _row(one: Provider) -> dict[str, Any]:
    return {
        "name": one.name, "kind": one.kind, "label": one.shown, "issuer": one.issuer, "client_id": one.client_id,
        "secret": "set" if one.secret else "-", "enabled": "yes" if one.enabled else "no", "position": one.position,
    }  # fmt: skip


async def _set(providers: Providers, name: str, kind: str, options: Sequence[str]) -> Data:
    old = next((one for one in await providers.all() if one.name == name), None)
    kind = kind or (old.kind if old is not None else "")
    if kind not in KINDS:
        raise CommandError(f"a kind is one of {', '.join(KINDS)}")
    made = Provider(name=name, kind=kind) if old is None or old.kind != kind else old
    secret: str | None = None
    rest = list(options)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if option in ("--enable", "--disable") and not equals:
            made = replace(made, enabled=option == "--enable")
            continue
        if option not in (*_VALUES, "--secret"):
            raise Usage
        if not equals:
            if not rest:
                raise Usage
            value = rest.pop(0)
        if option == "--secret":
            secret = value
        elif option == "--position":
            if not (value.isascii() and value.isdigit() and len(value) < 5):
                raise CommandError("a position is a number from 0 to 9999")
            made = replace(made, position=int(value))
        else:
            made = replace(made, **{_VALUES[option]: value})
    await _tried(providers.put(made, secret))
    return [_row(one) for one in await providers.all() if one.name == name]


async def _tried(work: Any) -> None:
    try:
        await work
    except Refused as error:
        raise CommandError(error.detail) from None


COMMANDS = (
    Command(
        "provider",
        "SITE | set SITE NAME [KIND] [--client-id ID] [--secret SECRET] [--issuer URL] [--label TEXT] [--position N] "
        "[--enable | --disable] | remove SITE NAME",
        "the ways in which visitors of a site sign in (kinds: oidc, google, github, mastodon, mail, ...)",
        provider,
        mutates=True,
    ),
)
