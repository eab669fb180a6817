"""Shapes of calls about the files of messages."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class FileQuery(Struct, frozen=True):
    """Parameters of an upload."""

    alt: Annotated[str, Meta(max_length=1_500, description="What is to be seen on the picture.")] = ""
    name: Annotated[str, Meta(max_length=500, description="The file's name; without one only pictures are taken.")] = ""


class FileAddress(Struct, frozen=True):
    """Where a picture can be had for an hour, or a file for minutes; ``name`` of a file, ``alt`` of a picture."""

    url: str
    name: str
    alt: str = ""
