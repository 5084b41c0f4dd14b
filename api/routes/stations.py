"""Stations and what is true of them now: for everyone, with more for staff of the area."""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from api import cursors, shapes
from api.areas import is_within
from api.asking import STATION, Area, Cursor, Limit
from api.board import Shown
from api.caller import FOR_ALL, Anyone, Caller
from api.problems import Problem, declared, not_found
from api.state import ApiState, Hub
from api.times import text_of
from storage.stations import Station

router = APIRouter(prefix="/api/v1", tags=["stations"])
_STATION = Annotated[str, Path(pattern=STATION, examples=["331002-0001"])]
_OPEN = frozenset({"open", "closing", "plan"})


@router.get(
    "/stations", response_model=shapes.StationsPage, responses=declared(401, 422, 503), openapi_extra=FOR_ALL
)
def list_stations(
    hub: Hub,
    caller: Anyone,
    area: Area = "",
    city: Annotated[str, Query(pattern=r"^([0-9]{4}(00)?)?$", examples=["331000"])] = "",
    open_now: Annotated[bool | None, Query(alias="open", description="also those open by timetable")] = None,
    seats: Annotated[int, Query(ge=0, le=1000, description="at least so many free")] = 0,
    batteries: Annotated[int, Query(ge=0, le=1000, description="at least so many full")] = 0,
    water: Annotated[Literal["any", "hot"] | None, Query(description="drinking water, or hot water")] = None,
    q: Annotated[str, Query(max_length=64, description="part of name, address or number")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Stations in the order of their ids.

    A claim that is too old counts as unknown, so it satisfies no filter. Where few people are inside
    the number of free seats is not told, but there are some: `seats=1` finds it.
    """
    _must_know(hub)
    filters = [area, city, open_now, seats, batteries, water, q]
    after = cursors.read(cursor, filters, str)
    ids, known = hub.board.ids, hub.board.stations
    words = q.casefold()
    found: list[Shown] = []
    more = False
    for at in range(bisect_right(ids, str(after[0])) if after else 0, len(ids)):
        shown = known.get(ids[at])
        if shown is None or not is_within(area, shown.station.area, shown.station.id):
            continue
        if not shown.station.area.startswith(city[:4]) or (words and not _says(shown.station, words)):
            continue
        if not _offers(shown, hub.clock.now_ms(), open_now, seats, batteries, water):
            continue
        if len(found) == limit:
            more = True
            break
        found.append(shown)
    following = cursors.make(filters, found[-1].station.id) if more else None
    tail = b'],"next":' + (f'"{following}"'.encode() if following else b"null") + b"}"
    return _json(b'{"items":[' + b",".join(body(one, caller) for one in found) + tail)


@router.get(
    "/stations/{station_id}",
    response_model=shapes.Station,
    responses=declared(401, 404, 422, 503),
    openapi_extra=FOR_ALL,
)
def get_station(hub: Hub, caller: Anyone, station_id: _STATION) -> Response:
    """One station."""
    return _json(body(_find(hub, station_id), caller))


@router.get(
    "/stations/{station_id}/availability",
    response_model=shapes.Availability,
    responses=declared(401, 404, 422, 503),
    openapi_extra=FOR_ALL,
)
def get_availability(hub: Hub, caller: Anyone, station_id: _STATION) -> Response:
    """What is true of one station now."""
    return _json(availability_of(_find(hub, station_id), caller))


@router.get(
    "/availability",
    response_model=shapes.AvailabilityList,
    responses=declared(401, 422, 503),
    openapi_extra=FOR_ALL,
)
def list_availability(hub: Hub, caller: Anyone, area: Area = "") -> Response:
    """What is true of all stations of an area, for those who poll; `version` rises when facts change."""
    _must_know(hub)
    known = hub.board.stations
    items = []
    for id_ in hub.board.ids:
        shown = known.get(id_)
        if shown is not None and is_within(area, shown.station.area, id_):
            items.append(
                f'{{"station":"{id_}","availability":'.encode() + availability_of(shown, caller) + b"}"
            )
    head = f'{{"version":{hub.board.version},"now":"{text_of(hub.clock.now_ms())}","items":['.encode()
    return _json(head + b",".join(items) + b"]}")


def body(shown: Shown, caller: Caller | None) -> bytes:
    """The station's JSON for this caller."""
    return shown.staff if _is_staff(shown.station, caller) else shown.public


def availability_of(shown: Shown, caller: Caller | None) -> bytes:
    """The availability's JSON for this caller."""
    return shown.staff_availability if _is_staff(shown.station, caller) else shown.public_availability


def _is_staff(station: Station, caller: Caller | None) -> bool:
    return caller is not None and caller.may("alerts:read") and caller.sees(station)


def _find(hub: ApiState, station_id: str) -> Shown:
    _must_know(hub)
    shown = hub.board.get(station_id)
    if shown is None:
        raise not_found(f"station {station_id}")
    return shown


def _must_know(hub: ApiState) -> None:
    if hub.board.looked_s is None:
        raise Problem(
            503,
            "starting",
            "The database has not been read yet; try again in a moment.",
            headers={"Retry-After": "1"},
        )


def _says(station: Station, words: str) -> bool:
    texts = (station.name, station.name_en, station.address, station.address_en, station.number)
    return station.id.startswith(words) or any(text and words in text.casefold() for text in texts)


def _offers(
    shown: Shown, now_ms: int, open_now: bool | None, seats: int, batteries: int, water: str | None
) -> bool:
    told = shown.availability
    if (
        told.valid_until_ms is not None
        and now_ms > told.valid_until_ms
        and told.state not in ("safety", "out")
    ):
        state = "unknown"
    else:
        state = told.state
    if open_now is not None and (state in _OPEN) != open_now:
        return False
    return (
        _has_seats(shown, now_ms, seats)
        and _has_batteries(shown, now_ms, batteries)
        and _has_water(shown, now_ms, water)
    )


def _has_seats(shown: Shown, now_ms: int, wanted: int) -> bool:
    told = shown.availability.public().seats
    if not wanted:
        return True
    if told.valid_until_ms is not None and now_ms > told.valid_until_ms:
        return False
    # Plenty without a number is how a nearly empty room is told; asking for more and more must not
    # bring the number to light.
    return told.free >= wanted if told.free is not None else told.level == "plenty"


def _has_batteries(shown: Shown, now_ms: int, wanted: int) -> bool:
    told = shown.availability.batteries
    if not wanted:
        return True
    if (
        told is None
        or told.value is None
        or (told.valid_until_ms is not None and now_ms > told.valid_until_ms)
    ):
        return False
    return told.value >= wanted


def _has_water(shown: Shown, now_ms: int, wanted: str | None) -> bool:
    told = shown.availability.water
    if wanted is None:
        return True
    if told is None or (told.valid_until_ms is not None and now_ms > told.valid_until_ms):
        return False
    return told.level == "hot" or (wanted == "any" and told.level in ("ok", "low"))


def _json(body: bytes | Any) -> Response:
    return Response(body, media_type="application/json")
