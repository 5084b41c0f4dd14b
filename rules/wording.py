"""What a person at the door reads when it stays shut: a title and a line, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "safety",
    "out_of_service",
    "offline",
    "lock_fault",
    "qr_expired",
    "qr_replayed",
    "uncertified",
    "pending",
    "expired",
    "banned",
    "too_far",
    "no_location",
    "hours",
    "night",
    "full",
    "rate",
]

MAX_TITLE = 12
MAX_LINE = 28


@dataclass(frozen=True, slots=True)
class Wording:
    """Chinese at most 12 and 28 characters, so that it can be read large and at a glance."""

    title_zh: str
    line2_zh: str
    title_en: str
    line2_en: str


# For each reason the lines to choose from: the first whose places are all known and that fits is taken.
_ZH: Mapping[Reason, tuple[str, tuple[str, ...]]] = {
    "safety": ("本站有安全警报", ("请远离，不要进入；紧急请拨 119",)),
    "out_of_service": (
        "本站暂停服务",
        ("原因：{reason}，预计 {date} 恢复", "预计 {date} 恢复", "原因：{reason}", "请去附近的驿站"),
    ),
    "offline": ("门锁暂时联系不上", ("请再试一次；还不行请打 {phone}", "请再试一次；还不行请联系站长")),
    "lock_fault": ("门锁有故障", ("已通知维修，附近可去 {near}", "已通知维修，请去附近的驿站")),
    "qr_expired": ("二维码已过期", ("请重新扫门上的码",)),
    "qr_replayed": ("二维码已用过", ("请重新扫门上的码",)),
    "uncertified": ("您还没有认证", ("登记手机号和职业，1 分钟就好",)),
    "pending": ("认证审核中", ("一般 1 个工作日；白天可直接进站",)),
    "expired": ("认证已到期", ("点这里续期",)),
    "banned": ("暂时不能进站", ("有疑问请打 {phone}", "有疑问请联系站长")),
    "too_far": ("您离门有点远", ("请走到门口（{dist} 外）再试", "请走到门口再试")),
    "no_location": ("没有拿到位置", ("请允许定位，或扫门上的码",)),
    "hours": (
        "本站已打烊",
        (
            "开放时间 {hours}，附近还开着：{near}（{away}）",
            "{opens} 开门，附近还开着：{near}（{away}）",
            "附近还开着：{near}（{away}）",
            "开放时间 {hours}，{opens} 开门",
            "{opens} 开门",
            "开放时间 {hours}",
            "请看门上的开放时间",
        ),
    ),
    "night": (
        "现在不是夜间开放时间",
        ("夜间 {night}，白天 {hours}", "夜间开放 {night}", "请看门上的开放时间"),
    ),
    "full": (
        "站里已满员",
        (
            "约 {n} 人在休息，请稍等或去 {near}（{away}）",
            "请稍等，或去 {near}（{away}）",
            "约 {n} 人在休息，请稍等或去附近驿站",
            "请稍等，或去附近的驿站",
        ),
    ),
    "rate": ("点得太快了", ("请 {n} 秒后再试", "请稍后再试")),
}

_EN: Mapping[Reason, tuple[str, tuple[str, ...]]] = {
    "safety": ("Safety alarm here", ("Keep away, do not enter; call 119 if urgent",)),
    "out_of_service": (
        "This station is paused",
        (
            "Reason: {reason}; back on {date}",
            "Back on {date}",
            "Reason: {reason}",
            "Please use another one nearby",
        ),
    ),
    "offline": (
        "The lock does not answer",
        ("Try again; if it fails call {phone}", "Try again, or call the keeper"),
    ),
    "lock_fault": (
        "The lock is broken",
        ("Repair is on its way; nearby: {near}", "Repair is on its way; use another station"),
    ),
    "qr_expired": ("This code has expired", ("Scan the code on the door again",)),
    "qr_replayed": ("This code was used already", ("Scan the code on the door again",)),
    "uncertified": ("You are not registered yet", ("Phone number and occupation, one minute",)),
    "pending": ("Your registration is being checked", ("About one working day; by day just come in",)),
    "expired": ("Your registration has ended", ("Renew it here",)),
    "banned": ("You cannot enter for now", ("Questions? Call {phone}", "Questions? Ask the keeper")),
    "too_far": (
        "You are too far from the door",
        ("Come to the door ({dist} away), then try", "Come to the door, then try"),
    ),
    "no_location": ("No position", ("Allow location, or scan the code on the door",)),
    "hours": (
        "Closed now",
        (
            "Open {hours}; open now: {near} ({away})",
            "Open now nearby: {near} ({away})",
            "Open {hours}, next at {opens}",
            "Opens at {opens}",
            "Open {hours}",
            "See the hours on the door",
        ),
    ),
    "night": (
        "Closed at this hour of the night",
        ("Nights {night}, days {hours}", "Nights {night}", "See the door"),
    ),
    "full": (
        "The station is full",
        (
            "About {n} people inside; wait, or try {near} ({away})",
            "Please wait, or try {near} ({away})",
            "About {n} people inside; wait or go nearby",
            "Please wait, or use another one",
        ),
    ),
    "rate": ("Too fast", ("Try again in {n} s", "Try again in a moment")),
}


def denied(reason: Reason, places_zh: Mapping[str, str], places_en: Mapping[str, str]) -> Wording:
    """The words for a reason. Places that are unknown, or too long to fit, choose a shorter line."""
    title_zh, lines_zh = _ZH[reason]
    title_en, lines_en = _EN[reason]
    return Wording(title_zh, _line(lines_zh, places_zh, MAX_LINE), title_en, _line(lines_en, places_en, 60))


def _line(lines: tuple[str, ...], places: Mapping[str, str], longest: int) -> str:
    known = {name: value for name, value in places.items() if value}
    for line in lines[:-1]:
        try:
            said = line.format_map(known)
        except KeyError:
            continue
        if len(said) <= longest:
            return said
    return lines[-1].format_map(known)
