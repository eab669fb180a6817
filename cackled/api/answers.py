"""Shapes that answers of several products share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern="^[0-9]{1,19}$", description="A 64-bit number, as a string.")]
PositionText = Annotated[str, Meta(pattern="^[0-9]+/[0-9]+@[0-9]+$", examples=["17/42@106"])]
Time = Annotated[
    str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", extra_json_schema={"format": "date-time"})
]
# Described, not checked: `cackled.domain.channels.check_channel` does that, and says what is wrong in words.
Key = Annotated[
    str,
    Meta(
        description="The channel's key.",
        extra_json_schema={
            "minLength": 1,
            "maxLength": 500,
            "pattern": "^[^\\u0000-\\u0020\\u007f-\\u00a0\\u2028\\u2029]"
            "([^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*[^\\s\\u0000-\\u0020\\u007f-\\u00a0])?$",
        },
    ),
]
Count = Annotated[int, Meta(ge=0)]


class PositionAnswer(Struct, frozen=True):
    """The position of a write in its channel."""

    position: PositionText
