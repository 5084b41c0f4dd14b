"""Stations as the API tells them, for the stand-in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

COUNTIES = [
    {"adcode": "330106", "name": "西湖区", "name_en": "Xihu", "city": "杭州市"},
    {"adcode": "331002", "name": "椒江区", "name_en": "Jiaojiang", "city": "台州市"},
    {"adcode": "331003", "name": "黄岩区", "name_en": "Huangyan", "city": "台州市"},
]


def now_ms() -> int:
    return round(time.time() * 1000)


def at(after_s: float) -> str:
    """The time `after_s` seconds from now."""
    return datetime.fromtimestamp(time.time() + after_s, UTC).isoformat().replace("+00:00", "Z")


def claim(name: str, value: Any, *, ago_s: float = 8, fresh_s: float = 90, **more: Any) -> dict[str, Any]:
    """A number with its age and its end."""
    return {name: value, "as_of": at(-ago_s), "valid_until": at(fresh_s), **more}


def seats(
    free: int | None, level: str = "plenty", *, ago_s: float = 8, fresh_s: float = 90
) -> dict[str, Any]:
    return claim("free", free, ago_s=ago_s, fresh_s=fresh_s, level=level)


def water(level: str, *, ago_s: float = 40, fresh_s: float = 200) -> dict[str, Any]:
    return claim("level", level, ago_s=ago_s, fresh_s=fresh_s)


def station(
    number: str = "001",
    name: str = "椒江万达劳动者驿站",
    *,
    adcode: str = "331002",
    name_en: str | None = "Jiaojiang Wanda",
    state: str = "open",
    hours: str = "24/7",
    until: str | None = None,
    opens: str | None = None,
    reason: str | None = None,
    seats_told: dict[str, Any] | None = None,
    water: dict[str, Any] | None = None,
    batteries: dict[str, Any] | None = None,
    fresh_s: float = 90,
    **more: Any,
) -> dict[str, Any]:
    """One station; with sensors and six seats unless told otherwise."""
    return {
        "id": f"{adcode}-{number:0>4}", "number": number, "adcode": adcode, "name": name, "name_en": name_en,
        "address": "台州市椒江区万达广场东门", "grade": "smart24h", "hours": hours,
        "lat": 28.67, "lon": 121.42,
        "equipped": seats_told is not None,
        "availability": {
            "state": state, "basis": "live", "until": until, "opens": opens, "reason": reason,
            "as_of": at(-8), "valid_until": at(fresh_s), "seats": seats_told, "water": water,
            "batteries": batteries,
            "version": 1,
        },
        **more,
    }  # fmt: skip


def nearby(free: int | None = 4, level: str = "plenty") -> dict[str, Any]:
    """Another station that is open."""
    return {
        "station": "331002-0007", "number": "007", "name": "葭沚街道劳动者驿站", "name_en": "Jiazhi Street",
        "distance_m": 1620, "basis": "live", "seats": seats(free, level, ago_s=25),
        "navigation": "https://uri.amap.com/navigation?to=121.41,28.67,x&mode=ride&src=waystation",
    }  # fmt: skip


def jiaojiang() -> list[dict[str, Any]]:
    """The nine stations of the design's picture."""
    return [
        station(seats_told=seats(6), water=water("hot"), batteries=claim("full", 7, ago_s=21)),
        station("007", "葭沚街道劳动者驿站", name_en="Jiazhi Street", seats_told=seats(4, ago_s=25),
                water=water("hot", ago_s=31),
                batteries=claim("full", 0, ago_s=18)),
        station("014", "海门老街劳动者驿站", name_en="Haimen Old Street", hours="06:00-22:00",
                until=at(5 * 3600), seats_told=seats(3, ago_s=31)),
        station("017", "解放路午间驿站", name_en="Jiefang Road, noon", state="closing", until=at(1200),
                seats_told=seats(None, "plenty", ago_s=14)),
        station("036", "洪家街道劳动者驿站", name_en="Hongjia Street", state="full",
                seats_told=seats(0, "full", ago_s=18), water=water("off", ago_s=180)),
        station("055", "月湖公园骑手驿站", name_en="Yuehu Park",
                seats_told=seats(None, "unknown", ago_s=840, fresh_s=-700),
                batteries=claim("full", 9, ago_s=9)),
        station("043", "章安街道劳动者驿站", name_en="Zhangan Street", state="unknown",
                seats_told=seats(None, "unknown", ago_s=1560, fresh_s=-1400)),
        station("052", "下陈街道劳动者驿站", name_en="Xiachen Street", state="out", reason="rebuilding",
                until=at(5 * 86400), seats_told=seats(None, "unknown")),
        station("044", "前所街道夜间驿站", name_en="Qiansuo, nights", state="closed", opens=at(7200),
                seats_told=seats(None, "unknown")),
    ]  # fmt: skip


def snapshot(*, staff: bool = False) -> dict[str, Any]:
    """Three counties, fourteen stations."""
    stations = jiaojiang()
    stations += [
        station(f"10{n}", f"黄岩第 {n} 驿站", adcode="331003", name_en=None, state="plan",
                hours="08:00-20:00", until=at(3 * 3600)) for n in range(4)
    ]  # fmt: skip
    stations.append(station("201", "西湖文化广场驿站", adcode="330106", name_en=None, seats_told=seats(11)))
    if staff:
        told = {"001": None, "007": ("info", "滤芯剩 8%", 1), "036": ("emergency", "烟雾报警", 2),
                "055": ("major", "7 号仓过热", 1), "014": ("minor", "门锁电量 18%", 1)}  # fmt: skip
        # These people look after Jiaojiang alone.
        for one in (one for one in stations if one["adcode"] == "331002"):
            found = told.get(one["number"])
            one["alerts"] = (
                {"open": found[2], "worst": found[0], "first": found[1]} if found
                else {"open": 0, "worst": None, "first": None}
            )  # fmt: skip
        stations[0]["door"] = "K7Q2"
    return {
        "now": at(0), "version": 1, "counties": [dict(county) for county in COUNTIES], "stations": stations,
        "hub": {"ok": True, "seen": at(0)},
    }  # fmt: skip


def province(count: int) -> dict[str, Any]:
    """Many stations over ninety counties."""
    counties = [
        {"adcode": str(330100 + 100 * (n % 11) + n // 11 + 1), "name": f"第 {n} 县", "name_en": f"County {n}",
         "city": str(330000 + 100 * (n % 11 + 1))} for n in range(90)
    ]  # fmt: skip
    stations = [
        station(f"{n:04}", f"第 {n} 号驿站", adcode=counties[n % 90]["adcode"], name_en=None,
                seats_told=seats(n % 9) if n % 7 == 0 else None, state="open" if n % 7 == 0 else "plan")
        for n in range(count)
    ]  # fmt: skip
    return {**snapshot(), "counties": counties, "stations": stations}
