"""A site's own translator on a loopback port: checks signature, form and size of every request."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tests.support.strict_server import Asked, Said, StrictServer

SECRET = "a secret of the translator"
# What it knows, by language.
WORDS = {
    "de": {"Bonjour": ("Guten Tag", "fr"), "Merci": ("Danke", "fr"), "Guten Tag": ("Guten Tag", "de")},
    "fr": {"Guten Tag": ("Bonjour", "de"), "Ich helfe gern.": ("Je vous aide volontiers.", "de")},
}


class StrictTranslator(StrictServer):
    """Translates `WORDS`; anything else becomes ``[to] text``. ``says``: answers instead (status, JSON)."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.says: list[tuple[int, Any]] = []
        self.slow = 0.0

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], Said]]:
        """One address."""
        return {("POST", "/translate"): self.translate}

    def translate(self, asked: Asked) -> Said:
        """Check everything, and answer."""
        heads, wrong = asked.headers, self.wrong
        id_, stamp = heads.get("webhook-id", ""), heads.get("webhook-timestamp", "")
        signed = hmac.new(SECRET.encode(), f"{id_}.{stamp}.".encode() + asked.body, sha256).digest()
        if heads.get("webhook-signature") != "v1," + base64.b64encode(signed).decode():
            wrong.append("the signature is not right")
        if not stamp.isdigit() or abs(int(stamp) - time.time()) > 60 or not id_.startswith("msg_") or id_ in self.ids:
            wrong.append(f"id or time is not right: {id_} {stamp}")
        if heads.get("content-type") != "application/json" or asked.query or "cookie" in heads:
            wrong.append("heads are not right")
        self.ids.append(id_)
        sent = asked.json()
        if list(sent) != ["type", "site", "chat", "to", "from", "texts"] or sent["type"] != "chat.translate":
            wrong.append(f"not the form: {list(sent)}")
        if sum(len(one["text"]) for one in sent["texts"]) > 20_000 and len(sent["texts"]) > 1:
            wrong.append("too much at once")
        if any(list(one) != ["id", "text"] or not one["text"] for one in sent["texts"]):
            wrong.append("a text is not right")
        self.asked.append(sent)
        if self.slow:
            time.sleep(self.slow)
        if self.says:
            status, answer = self.says.pop(0)
            return status, answer, ""
        made = []
        for one in sent["texts"]:
            text, source = WORDS.get(sent["to"], {}).get(one["text"], (f"[{sent['to']}] {one['text']}", ""))
            made.append({"id": one["id"], "text": text} | ({"from": source} if source else {}))
        return 200, json.loads(json.dumps({"texts": made})), ""
