"""The utilisation report as people and programs read it: words, columns, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from api.divisions import County
from api.times import text_of
from rules.amenities import AMENITIES
from rules.station_figures import Figures, StationFigures, by_county, together, worst_first
from rules.utilisation import FEW

Lang = Literal["zh", "en"]
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of an area from `from_ms` up to, not including, `to_ms`; whole hours.

    `public` tells counties only, and of few visits not how many.
    """

    area: str
    from_ms: int
    to_ms: int
    stations: Sequence[StationFigures]
    counties: Mapping[str, County]
    public: bool = False

    @property
    def days(self) -> float:
        """The length of the period."""
        return (self.to_ms - self.from_ms) / DAY_MS

    def by_county(self) -> dict[str, Figures]:
        """Counties in the order of their codes."""
        found = by_county(self.stations)
        return {code: one.published() for code, one in found.items()} if self.public else found

    def total(self) -> Figures:
        """Everything told, together: what is hidden in a county cannot be found by subtraction."""
        return together(self.by_county().values())

    def worst(self) -> list[StationFigures]:
        """All stations, the worst first; none in what is public."""
        return [] if self.public else worst_first(self.stations)

    def county_name(self, code: str, lang: Lang) -> str:
        """The name of a county, its code where it has none."""
        county = self.counties.get(code)
        return code if county is None else county.name if lang == "zh" else county.name_en


class Column(NamedTuple):
    """A column of the table: its words, and what stands in it; None for what is not known."""

    zh: str
    en: str
    read: Callable[[Figures, float], str | None]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f}%"


def _served(amenity: Any) -> Callable[[Figures, float], str | None]:
    return lambda one, days: _percent(one.served_share(amenity))


def _unknown(one: Figures, days: float) -> str | None:
    times = one.uptime.get("open")
    known = None if times is None else times.known_share
    return None if known is None else _percent(1 - known)


def _visits(one: Figures, days: float) -> str | None:
    return f"≤{FEW}" if one.few and one.visits is None else None if one.visits is None else str(one.visits)


def _visits_a_day(one: Figures, days: float) -> str | None:
    many = per_day(one, days)
    return None if many is None else f"{many:.1f}"


def _dwell(one: Figures, days: float) -> str | None:
    return None if one.dwell_min is None else f"{one.dwell_min:.0f}"


def _weak(one: Figures, days: float) -> str | None:
    return f"{one.weak_batteries}/{one.batteries}" if one.batteries else None


def _filters(one: Figures, days: float) -> str | None:
    return None if one.filter_days is None else f"{one.filter_days:.0f}"


COLUMNS: Final = (
    Column("站点数", "stations", lambda one, days: str(one.stations)),
    Column("无数据站点", "silent", lambda one, days: str(one.silent)),
    Column("可用", "open", _served("open")),
    Column("状态未知", "unknown", _unknown),
    Column("门锁", "door", _served("door")),
    Column("座位", "seats", _served("seats")),
    Column("饮水", "water", _served("water")),
    Column("满电电池", "batteries", _served("batteries")),
    Column("数据完整", "data", lambda one, days: _percent(one.completeness)),
    Column("到访", "visits", _visits),
    Column("日均/站", "per day", _visits_a_day),
    Column("平均停留(分)", "stay (min)", _dwell),
    Column("换电", "swaps", lambda one, days: str(one.swaps)),
    Column("卡锁率", "jams", lambda one, days: _percent(one.jam_rate)),
    Column("衰减电池", "weak packs", _weak),
    Column("滤芯剩余(天)", "filter (days)", _filters),
)
_PLACE: Final = {"zh": ("县（市、区）", "全部", "站点", "名称"), "en": ("county", "all", "station", "name")}


def per_day(one: Figures, days: float) -> float | None:
    """Visits a day and station, of those stations that count."""
    if one.visits is None or not one.counting or days <= 0:
        return None
    return one.visits / one.counting / days


def heads(lang: Lang) -> list[str]:
    """The heads of the columns of figures."""
    return [column.zh if lang == "zh" else column.en for column in COLUMNS]


def cells(one: Figures, days: float) -> list[str]:
    """The figures as text; a dash for what is not known or not there."""
    return [column.read(one, days) or "-" for column in COLUMNS]


def county_rows(report: Report, lang: Lang) -> tuple[list[str], list[list[str]]]:
    """Heads, a line a county, and the line of all."""
    place, all_, *_ = _PLACE[lang]
    rows = [
        [report.county_name(code, lang), *cells(one, report.days)] for code, one in report.by_county().items()
    ]
    if rows:
        rows.append([all_, *cells(report.total(), report.days)])
    return [place, *heads(lang)], rows


def station_rows(report: Report, lang: Lang, limit: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Heads and a line a station, the worst first; without the columns that only count stations."""
    place, _, id_, name = _PLACE[lang]
    rows = [
        [one.id, one.name, report.county_name(one.county, lang), *cells(one.figures, report.days)[2:]]
        for one in report.worst()[:limit]
    ]
    return [id_, name, place, *heads(lang)[2:]], rows


def csv_text(report: Report, lang: Lang) -> str:
    """A line a station (a county in what is public), with a mark at the beginning for spreadsheets."""
    head, rows = county_rows(report, lang) if report.public else station_rows(report, lang)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return "\ufeff" + out.getvalue()


def report_json(report: Report, worst: int | None = None) -> dict[str, Any]:
    """Shares are 0 to 1, times are minutes; None is what is not known or not there."""
    return {
        "area": report.area,
        "from": text_of(report.from_ms),
        "to": text_of(report.to_ms),
        "total": figures_json(report.total(), report.days),
        "counties": [
            {
                "code": code,
                "name": report.county_name(code, "zh"),
                "name_en": report.county_name(code, "en"),
                **figures_json(one, report.days),
            }
            for code, one in report.by_county().items()
        ],
        "worst": [
            {"id": one.id, "name": one.name, "county": one.county, **figures_json(one.figures, report.days)}
            for one in report.worst()[:worst]
        ],
    }


def figures_json(one: Figures, days: float) -> dict[str, Any]:
    """The figures of one place."""
    return {
        "stations": one.stations,
        "silent": one.silent,
        "amenities": {
            amenity: {
                "up_min": _minutes(times.up_ms),
                "down_min": _minutes(times.down_ms),
                "unknown_min": _minutes(times.unknown_ms),
                "closed_min": _minutes(times.closed_ms),
                "served": _share(one.served_share(amenity)),
                "up_when_known": _share(times.up_share),
                "known": _share(times.known_share),
            }
            for amenity in AMENITIES
            if (times := one.uptime.get(amenity)) is not None
        },
        "completeness": _share(one.completeness),
        "visits": one.visits,
        "few_visits": one.few,
        "visits_per_station_day": _share(per_day(one, days)),
        "stay_min": _share(one.dwell_min),
        "openings": one.openings,
        "jam_rate": _share(one.jam_rate),
        "swaps": one.swaps,
        "batteries": one.batteries,
        "weak_batteries": one.weak_batteries,
        "filters": one.filters,
        "filters_due": one.filters_due,
        "filter_days": _share(one.filter_days),
    }


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _minutes(length_ms: int) -> float:
    return round(length_ms / 60_000, 2)


def _harmless(cell: str) -> str:
    # A spreadsheet takes these for the beginning of a formula; names come from whoever keeps the list.
    return (
        f"'{cell}" if cell[:1] in ("=", "+", "@", "\t", "\r") or (cell[:1] == "-" and cell != "-") else cell
    )
