"""What the hub says to stations, as models: for documents, and for tests that hold the senders to them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Base64url = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]+$")]


class _Down(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Ack(_Down):
    """What of one boot of a speaker is kept for good, or refused for good."""

    boot: str = Field(pattern=r"^[0-9A-Za-z_-]{1,32}$", description="an ack for another boot is not for you")
    upto: int = Field(ge=-1, description="everything up to here is kept; -1 promises nothing")
    also: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        max_length=64, description="inclusive ranges above `upto` that are kept too"
    )
    conn: int | None = Field(description="the connection that the hub knows of; ends the repeating of `link`")
    now: int = Field(ge=0, description="the hub's time in epoch milliseconds")
    store: str = Field(description="names the hub's database; another one means: send again what you hold")


class Prepare(_Down):
    """Asks a device for a nonce; comes again every half second until answered."""

    prepare: Id = Field(description="the id of the command")
    action: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")


class Signed(_Down):
    """A command, signed for the nonce; the same bytes may come again."""

    id: Id
    signed: Base64url = Field(max_length=683, description="a COSE_Sign1 message of at most 512 bytes")


class Config(_Down):
    """Settings of a speaker, signed and numbered."""

    config: str = Field(description="exact JSON text with speaker, version and settings")
    kid: str = Field(pattern=r"^[0-9a-f]{16}$", description="the id of the key")
    signature: Base64url = Field(description="Ed25519 over `ws-cfg-1`, a NUL byte and the text")
