"""What sections of the configuration are made of.

Base layer: imports msgspec only.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

PositiveInt = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
# Neither is ever infinite: timers and rings are made of them.
PositiveFloat = Annotated[float, Meta(gt=0, le=1e9)]
NaturalFloat = Annotated[float, Meta(ge=0, le=1e9)]
MIB = 1024 * 1024


class ConfigError(Exception):
    """The configuration can't be used; the message is one line for the operator."""


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: frozen, and unknown keys are errors."""
