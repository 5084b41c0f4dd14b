"""The shapes of the utilisation report; the description of the API is made from them."""

from __future__ import annotations

from pydantic import Field

from api.shapes import Shape, Time
from rules.amenities import Amenity


class AmenityTimes(Shape):
    """Minutes of the period: up, down, not known, and closed (nobody was meant to come). Shares: 0 to 1."""

    up_min: float
    down_min: float
    unknown_min: float
    closed_min: float
    served: float | None = Field(description="surely up, of all minutes that are not closed")
    up_when_known: float | None
    known: float | None


class Figures(Shape):
    """One place, or several together; null is what is not known or not there."""

    stations: int
    silent: int = Field(description="stations that were not heard at all")
    amenities: dict[Amenity, AmenityTimes]
    completeness: float | None = Field(description="reports that came, of those expected")
    visits: int | None
    few_visits: bool
    visits_per_station_day: float | None
    stay_min: float | None
    openings: int
    jam_rate: float | None
    swaps: int
    batteries: int
    weak_batteries: int
    filters: int
    filters_due: int = Field(description="filters to be changed within 30 days")
    filter_days: float | None = Field(description="until the first filter must be changed")


class CountyFigures(Figures):
    """One county."""

    code: str
    name: str
    name_en: str


class StationFigures(Figures):
    """One station; `county` is the code of its county."""

    id: str
    name: str
    county: str


class Utilisation(Shape):
    """The report of an area over whole hours."""

    area: str
    from_: Time = Field(alias="from")
    to: Time
    total: Figures
    counties: list[CountyFigures]
    worst: list[StationFigures]
