"""The ledger: stations, their devices and doors, and who may speak for them."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index

from storage.columns import maybe_text, maybe_whole, table, text, whole

station = table(
    "station",
    text("id", primary_key=True),
    text("adcode", index=True),  # the routing label, fixed for good
    text("area"),  # the administrative division as of now, which may differ
    text("number"),
    text("name"),
    maybe_text("name_en"),
    maybe_text("address"),
    maybe_text("address_en"),
    text("grade"),  # basic | benchmark | smart24h
    maybe_text("hours"),  # OSM opening_hours
    maybe_text("night_hours"),  # self-service without staff
    maybe_whole("capacity"),
    Column("lat", Double, nullable=True),
    Column("lon", Double, nullable=True),
    maybe_text("datum"),  # what the coordinates were given in, before they became WGS-84
    maybe_text("phone"),
    text("status"),  # active | paused | rebuilding | closed
    maybe_text("status_reason"),
    maybe_text("status_until"),
    maybe_text("inside_egress"),  # how a person gets out without the server
    whole("created_ms"),
    whole("version", index=True),  # rises when the station, its devices or its doors change
)

device = table(
    "device",
    text("station", primary_key=True),
    text("kind", primary_key=True),
    whole("n", primary_key=True, autoincrement=False),
    text("speaker_kind"),
    whole("speaker_n"),
    maybe_text("label"),
    maybe_text("label_en"),
    whole("created_ms"),
)

door = table(
    "door",
    text("code", primary_key=True),
    text("station"),
    whole("n"),
    whole("created_ms"),
    maybe_whole("revoked_ms"),
    Index("ix_door_station_n", "station", "n"),
)

credential = table(
    "credential",
    text("station", primary_key=True),
    text("speaker_kind", primary_key=True),
    whole("speaker_n", primary_key=True, autoincrement=False),
    text("public_key", primary_key=True),
    whole("issued_ms"),
    maybe_whole("revoked_ms"),
)
