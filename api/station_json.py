"""A station as the API tells it: to everyone, and with what only its staff may know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from api.times import text_of
from rules.availability import Availability, Claim, Water
from rules.station_view import StationInfo
from storage.alerts import Alert
from storage.stations import Station

_SEVERITIES: Final = ("emergency", "major", "minor", "info")


def info_of(station: Station, equipped: bool) -> StationInfo:
    """What the rules need to know of a station's row."""
    return StationInfo(
        id=station.id,
        adcode=station.adcode,
        hours=station.hours or "",
        night_hours=station.night_hours,
        capacity=station.capacity,
        status=station.status,
        status_reason=station.status_reason,
        status_until=station.status_until,
        created_ms=station.created_ms,
        equipped=equipped,
    )


def availability_json(told: Availability, version: int, *, staff: bool) -> dict[str, Any]:
    """Availability; `told` must be the public one unless `staff`."""
    body: dict[str, Any] = {
        "state": told.state,
        "basis": told.basis,
        "until": text_of(told.until_ms),
        "opens": text_of(told.opens_ms),
        # Which alarm it is tells where the valuables are unguarded; that it is one tells people enough.
        "reason": told.reason if staff or told.state != "safety" else None,
        "as_of": text_of(told.as_of_ms),
        "valid_until": text_of(told.valid_until_ms),
        "seats": {
            "level": told.seats.level,
            "free": told.seats.free,
            "as_of": text_of(told.seats.as_of_ms),
            "valid_until": text_of(told.seats.valid_until_ms),
        },
        "water": None if told.water is None else _water(told.water),
        "batteries": None if told.batteries is None else _claim("full", told.batteries),
        "air": None if told.air is None else _claim("temp_c", told.air),
        "version": version,
    }
    if staff:
        body["people"] = None if told.people is None else _claim("about", told.people)
    return body


def _water(water: Water) -> dict[str, Any]:
    return {
        "level": water.level,
        "as_of": text_of(water.as_of_ms),
        "valid_until": text_of(water.valid_until_ms),
    }


def _claim(name: str, claim: Claim) -> dict[str, Any]:
    return {
        name: claim.value,
        "as_of": text_of(claim.as_of_ms),
        "valid_until": text_of(claim.valid_until_ms),
    }


def station_json(
    station: Station, equipped: bool, availability: Mapping[str, Any], alerts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The whole of a station; `alerts` only for staff."""
    body = {
        "id": station.id,
        "number": station.number,
        "adcode": station.area,
        "name": station.name,
        "name_en": station.name_en,
        "address": station.address,
        "address_en": station.address_en,
        "grade": station.grade,
        "hours": station.hours,
        "night_hours": station.night_hours,
        "capacity": station.capacity,
        "lat": station.lat,
        "lon": station.lon,
        "phone": station.phone,
        "equipped": equipped,
        "availability": availability,
    }
    if alerts is not None:
        body["alerts"] = alerts
    return body


def alerts_summary(station: Station, alerts: Iterable[Alert]) -> dict[str, Any]:
    """How many are open, the worst of them, and what that one says."""
    ranked = sorted(alerts, key=lambda one: (_SEVERITIES.index(one.severity), one.id))
    if not ranked:
        return {"open": 0, "worst": None, "first": None, "first_en": None}
    worst = ranked[0]
    return {
        "open": len(ranked),
        "worst": worst.severity,
        "first": _beside(station.name, worst.text_zh),
        "first_en": _beside(station.name_en or station.name, worst.text_en),
    }


def _beside(name: str, text: str) -> str:
    """An alert's text beside its station's name and its severity, which it need not repeat there."""
    before, _, said = text.partition(name)
    return said.lstrip(" ·：:") if said and before.rstrip().endswith(("】", "]")) else text


def alert_json(alert: Alert) -> dict[str, Any]:
    """An alert as staff reads it."""
    acknowledged = resolved = None
    if alert.acked_ms is not None:
        acknowledged = {"at": text_of(alert.acked_ms), "by": alert.acked_by}
    if alert.resolved_ms is not None:
        resolved = {
            "at": text_of(alert.resolved_ms),
            "reason": alert.resolved_reason,
            "by": alert.resolved_by,
            "note": alert.note,
        }
    return {
        "id": alert.id,
        "station": alert.device.station,
        "adcode": alert.adcode,
        "device": alert.device.short,
        "part": alert.part,
        "code": alert.code,
        "severity": alert.severity,
        "safety": alert.safety,
        "state": alert.state,
        "latched": alert.latched,
        "refuse_entry": alert.refuse_entry,
        "happened": text_of(alert.happened_ms),
        "learned": text_of(alert.learned_ms),
        "values": alert.values,
        "text_zh": alert.text_zh,
        "text_en": alert.text_en,
        "acknowledged": acknowledged,
        "resolved": resolved,
        "flaps": alert.flaps,
        "rulebook_version": alert.rulebook_version,
        "version": alert.version,
    }
