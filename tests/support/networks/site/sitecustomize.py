"""Imported by every Python that starts with this folder in PYTHONPATH: where networks are, by CACKLED_NETWORKS."""

import json
import os

from cackled.identity import pages
from cackled.sharing import atproto, vk, x

there = json.loads(os.environ["CACKLED_NETWORKS"])
x.X.__init__.__defaults__ = (there["x"], there["x"])
vk.Vk.__init__.__defaults__ = (there["vk"], there["vk"], "https://vk.com")
made = atproto.Directory.__init__


async def text_records(name: str) -> list[str]:
    """The TXT records of the one handle."""
    if name != f"_atproto.{there['handle']}":
        raise OSError("there is no such name")
    return [f"did={there['did']}"]


def begin(self: atproto.Directory, asking: object, _: object, *more: object, **others: object) -> None:
    """A directory of this machine."""
    made(self, asking, text_records, there["plc"], plain=True)


atproto.Directory.__init__ = begin

# Their addresses begin with http here: forms may lead there, too.
policy = pages._policy
pages._policy = lambda script, form: policy(script, form.replace("https:", "https: http:"))
