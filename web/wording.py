"""The words of the pages that the server renders: states, ages, verdicts, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

STATION_CLOCK = timezone(timedelta(hours=8))
"""All stations live by one clock, and it has no summer time."""

STATES = {
    "open": ("现在开放", "Open"),
    "plan": ("按时间表", "By timetable"),
    "closing": ("快关门", "Closing soon"),
    "full": ("已满", "Full"),
    "closed": ("已打烊", "Closed"),
    "out": ("停用", "Out of service"),
    "safety": ("有安全警报", "Safety alarm"),
    "unknown": ("情况未知", "Unknown"),
}

REASONS = {
    "paused": ("暂停服务", "paused"),
    "rebuilding": ("改造", "rebuilding"),
    "closed": ("已撤站", "closed down"),
    "maintenance": ("维护中", "maintenance"),
    "lockdown": ("暂时锁闭", "locked down"),
    "hours": ("没登记开放时间", "hours not registered"),
}
"""Words for the reasons that are codes; others were typed by people and stay as they are."""

NOTHING_LATER = ("门不会过后自己打开，请再点一次", "The door will not open later. Tap once more.")


def _verdict(title: str, line2: str, title_en: str, line2_en: str) -> dict[str, str]:
    return {"title": title, "line2": line2, "title_en": title_en, "line2_en": line2_en}


VERDICTS = {
    "done": _verdict(
        "门已打开，请进", "请随手关门", "Door open, come in", "Please close it behind you"
    ),
    "opened": _verdict(
        "门已打开，请进", "请随手关门", "Door open, come in", "Please close it behind you"
    ),
    "unused": _verdict(
        "门已重新上锁", "没来得及进？请再点一次", "The door locked again", "Could not get in? Tap once more."
    ),
    "rejected": _verdict("门锁没有照办", NOTHING_LATER[0], "The lock refused", NOTHING_LATER[1]),
    "no_answer": _verdict("门锁没有回应", NOTHING_LATER[0], "The lock did not answer", NOTHING_LATER[1]),
    "expired": _verdict("这次超时了", NOTHING_LATER[0], "That took too long", NOTHING_LATER[1]),
    "failed": _verdict("门没有打开", NOTHING_LATER[0], "The door did not open", NOTHING_LATER[1]),
    "denied": _verdict("现在不能进站", "请问站点工作人员", "You cannot enter now", "Please ask the staff"),
    "lock_offline": _verdict(
        "门锁暂时联系不上", "不是您的问题，请过一会儿再试",
        "The lock cannot be reached", "Not your fault. Try again in a moment.",
    ),
    "hub_down": _verdict(
        "系统暂时开不了门", "不是您的问题，请过一会儿再试",
        "Doors cannot be opened now", "Not your fault. Try again in a moment.",
    ),
    "not_signed_in": _verdict(
        "开门要先登录", "请向站点工作人员要一条登录链接",
        "Sign in to open", "Ask the station’s staff for a sign-in link",
    ),
    "too_fast": _verdict("点得太快了", "请过几秒再试", "Too many taps", "Try again in a few seconds"),
    "unsent": _verdict("没成功，请再试一次", "网络不太好", "That did not work", "The network is weak. Try again."),
    "unsure": _verdict(
        "没收到门锁的消息", "先推一下门；10 秒已过，门不会再打开",
        "No word from the lock", "Try the door. It will not open later.",
    ),
}  # fmt: skip

NO_DOOR = _verdict(
    "没有这扇门", "门上的码可能没有扫全，或者已经换了。请再扫一次",
    "There is no such door", "The code may be half in view, or replaced. Scan it again.",
)  # fmt: skip

PROBLEMS = {
    403: _verdict("这一页过期了", "请重新打开", "This page is too old", "Open it again"),
    404: _verdict("没有这个页面", "地址可能不对", "There is no such page", "The address may be wrong"),
    429: _verdict("点得太快了", "请过一会儿再试", "Too many tries", "Try again in a while"),
    503: _verdict("系统正忙", "请过几秒再试", "The system is busy", "Try again in a few seconds"),
}
"""What a page says in place of itself, by status."""

TROUBLE = _verdict("打不开这个页面", "请过一会儿再试", "This page cannot be shown", "Try again in a while")


def moment_ms(text: str | None) -> int | None:
    """Epoch milliseconds of an RFC 3339 time."""
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def second(at_ms: int) -> str:
    """The station clock as 02:07:31."""
    return f"{datetime.fromtimestamp(at_ms / 1000, STATION_CLOCK):%H:%M:%S}"


def minute(at_ms: int) -> str:
    """The station clock as 2026-11-24 14:32."""
    return f"{datetime.fromtimestamp(at_ms / 1000, STATION_CLOCK):%Y-%m-%d %H:%M}"


def is_night(now_ms: int) -> bool:
    """True from 18:00 to 06:00 by the station clock."""
    return not 6 <= datetime.fromtimestamp(now_ms / 1000, STATION_CLOCK).hour < 18


def span(ms: int, en: bool) -> str:
    """How long: 12 秒, 3 分钟, 2 小时, 5 天."""
    s = max(1, ms // 1000)
    for size, zh, english in (
        (86_400, "天", "days"),
        (3600, "小时", "h"),
        (60, "分钟", "min"),
        (1, "秒", "s"),
    ):
        if s >= size:
            return f"{s // size} {english if en else zh}"
    return ""


def age(ms: int, en: bool) -> str:
    """How long ago."""
    return f"{span(ms, en)} ago" if en else f"{span(ms, en)}前"


def when(at_ms: int, now_ms: int, en: bool) -> str:
    """A time of day, with the day in front when it is not today."""
    at, now = (datetime.fromtimestamp(ms / 1000, STATION_CLOCK) for ms in (at_ms, now_ms))
    days = (at.date() - now.date()).days
    if days == 0:
        return f"{at:%H:%M}"
    if days == 1:
        return f"tomorrow {at:%H:%M}" if en else f"明天 {at:%H:%M}"
    return f"{at.day} {at:%b}" if en else f"{at.month} 月 {at.day} 日"


@dataclass(frozen=True, slots=True)
class Fact:
    """One value with its age, short for a table and in full; both are None when it is unknown."""

    value: str | None
    full: str | None
    note: str
    as_of_ms: int | None
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """What a page says about one station; seats, water or batteries are None where there is nothing to say."""

    adcode: str
    number: str
    name: str
    state: str
    word: str
    note: str
    valid_until_ms: int | None
    seats: Fact | None
    water: Fact | None
    batteries: Fact | None

    @classmethod
    def of(cls, station: Mapping[str, Any], now_ms: int, en: bool) -> Row:
        """Read a station of the API as of `now_ms`."""
        claim = station["availability"]
        valid_until_ms = moment_ms(claim.get("valid_until"))
        state = str(claim["state"])
        if state not in ("safety", "out") and valid_until_ms is not None and now_ms > valid_until_ms:
            state = "unknown"
        inside = state not in ("closed", "out", "safety")
        name = str((station.get("name_en") if en else None) or station["name"])
        return cls(
            str(station["adcode"]), str(station["number"]), name, state, STATES[state][en],
            _note(state, claim, station, now_ms, en), valid_until_ms,
            _fact(claim.get("seats"), _seats, now_ms, en) if inside else None,
            _fact(claim.get("water"), _water, now_ms, en) if inside else None,
            _fact(claim.get("batteries"), _batteries, now_ms, en) if inside else None,
        )  # fmt: skip


def seats(place: Mapping[str, Any], now_ms: int, *, en: bool) -> Fact | None:
    """The free seats of another station; None where nothing counts them."""
    return _fact(place.get("seats"), _seats, now_ms, en)


def metres(distance_m: int) -> str:
    """How far: 350 m, 1.2 km."""
    return f"{distance_m / 1000:.1f} km" if distance_m >= 1000 else f"{distance_m} m"


def _note(state: str, claim: Mapping[str, Any], station: Mapping[str, Any], now_ms: int, en: bool) -> str:
    until_ms, opens_ms = moment_ms(claim.get("until")), moment_ms(claim.get("opens"))
    reason = claim.get("reason")
    why = REASONS[reason][en] if reason in REASONS else str(reason or "")
    if state == "safety":
        return "stay away" if en else "请远离，不要进入"
    if state == "unknown":
        return why if reason == "hours" else "may be open" if en else "可能开着"
    if state == "closed" and opens_ms is not None:
        at = when(opens_ms, now_ms, en)
        return f"opens {at}" if en else f"{at} 开"
    parts = [why] if why else []
    if state == "out" and until_ms is not None:
        parts.append(f"until {when(until_ms, now_ms, en)}" if en else f"到 {when(until_ms, now_ms, en)}")
    elif state in ("open", "plan", "closing", "full") and until_ms is not None:
        parts.append(f"until {when(until_ms, now_ms, en)}" if en else f"{when(until_ms, now_ms, en)} 关门")
    elif state in ("open", "plan", "full") and station.get("hours") == "24/7":
        parts.append("24 hours" if en else "24 小时")
    air = claim.get("air") or {}
    air_until_ms = moment_ms(air.get("valid_until"))
    if (
        state != "out"
        and air.get("temp_c") is not None
        and air_until_ms is not None
        and air_until_ms >= now_ms
    ):
        parts.append(f"{air['temp_c']} °C inside" if en else f"室内 {air['temp_c']} ℃")
    return " · ".join(parts)


def _fact(claim: Mapping[str, Any] | None, words: Any, now_ms: int, en: bool) -> Fact | None:
    if claim is None or claim.get("level") == "none":
        return None
    as_of_ms, valid_until_ms = moment_ms(claim.get("as_of")), moment_ms(claim.get("valid_until"))
    value, full = words(claim, en)
    if valid_until_ms is not None and now_ms > valid_until_ms:
        value = full = None
    if as_of_ms is None:
        note = "" if value is not None else "no data yet" if en else "还没有消息"
    elif value is None:
        gone = span(now_ms - as_of_ms, en)
        note = f"no data for {gone}" if en else f"{gone}没消息"
    else:
        note = age(now_ms - as_of_ms, en)
    return Fact(value, full, note, as_of_ms, valid_until_ms)


def _seats(claim: Mapping[str, Any], en: bool) -> tuple[str | None, str | None]:
    free, level = claim.get("free"), claim.get("level")
    if level == "unknown":
        return None, None
    if free == 0 or (free is None and level == "full"):
        return ("none", "no seats left") if en else ("没有", "没有空位")
    if free is None:
        short, full = {
            "plenty": (("座位充足", "plenty"), ("座位充足", "plenty of seats")),
            "few": (("座位不多", "few left"), ("座位不多", "few seats left")),
        }[str(level)]
        return short[en], full[en]
    if en:
        return str(free), f"{free} seat{'' if free == 1 else 's'}"
    return f"{free} 座", f"还有 {free} 座"


WATER = {
    "hot": (("有热水", "hot"), ("有热水", "hot water")),
    "ok": (("饮水正常", "yes"), ("饮水正常", "drinking water")),
    "low": (("快用完", "low"), ("水快用完", "water is low")),
    "empty": (("没水了", "none"), ("没水了", "no water left")),
    "off": (("暂停供水", "off"), ("暂停供水", "water suspended")),
}
"""What the taps give: for a table, and in full."""


def _water(claim: Mapping[str, Any], en: bool) -> tuple[str | None, str | None]:
    short, full = WATER.get(str(claim.get("level")), ((None, None), (None, None)))
    return short[en], full[en]


def _batteries(claim: Mapping[str, Any], en: bool) -> tuple[str | None, str | None]:
    full = claim.get("full")
    if full is None:
        return None, None
    if full == 0:
        return ("none", "no full battery") if en else ("暂无", "暂无满电")
    return (str(full), f"{full} full") if en else (f"{full} 块", f"满电 {full} 块")
