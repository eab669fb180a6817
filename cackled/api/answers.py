"""Shapes that answers of several products share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern="^[0-9]{1,19}$", description="A 64-bit number, as a string.")]
PositionText = Annotated[str, Meta(pattern="^[0-9]+/[0-9]+@[0-9]+$", examples=["17/42@106"])]
Time = Annotated[
    str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", extra_json_schema={"format": "date-time"})
]
Count = Annotated[int, Meta(ge=0)]


class PositionAnswer(Struct, frozen=True):
    """Where a write stands in its channel."""

    position: PositionText
