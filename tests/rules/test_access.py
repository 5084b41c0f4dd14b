"""Who may come in: every reason, in its order, in words that fit a phone held in the rain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from rules.access import AccessFacts, AccessRequest, Denied, Granted, Policy, decide
from rules.calendar import Calendar
from rules.schedule import HoursState
from rules.station_view import StationInfo, StationView
from rules.wording import MAX_LINE, MAX_TITLE, Reason, denied
from tests.rules.hub import HOUR, MINUTE, T0

WORKER = AccessRequest(actor_kind="worker", at_ms=T0, entitled=True)
STAFF = replace(WORKER, actor_kind="staff")
FREE = AccessFacts(safety=False, out_of_service=False, link="online", people=3, capacity=8)
# In the order in which they count.
AGAINST: list[tuple[Reason, dict[str, Any], dict[str, Any]]] = [
    ("safety", {}, {"safety": True}),
    ("out_of_service", {}, {"out_of_service": True}),
    ("offline", {}, {"link": "offline"}),
    ("lock_fault", {}, {"jammed": True}),
    ("qr_expired", {"code": "expired"}, {}),
    ("uncertified", {"entitled": False}, {}),
    ("too_far", {"presence": "position", "distance_m": 400.0, "accuracy_m": 30.0}, {}),
    ("hours", {}, {"hours": HoursState(False, T0 + HOUR)}),
    ("full", {}, {"people": 8}),
    ("rate", {"wait_s": 20}, {}),
]


@pytest.mark.parametrize("reason, request_, facts", AGAINST)
def test_each_reason_alone_keeps_the_door_shut(
    reason: str, request_: dict[str, Any], facts: dict[str, Any]
) -> None:
    answer = decide(replace(WORKER, **request_), replace(FREE, **facts), Policy(), T0)
    assert isinstance(answer, Denied)
    assert answer.reasons == (reason,)


def test_nothing_against_it_opens_the_door() -> None:
    assert decide(WORKER, FREE, Policy(), T0) == Granted()


def test_the_first_reason_wins_and_all_are_kept_in_order() -> None:
    request, facts = WORKER, FREE
    for _, of_request, of_facts in AGAINST:
        request, facts = replace(request, **of_request), replace(facts, **of_facts)
    answer = decide(request, facts, Policy(), T0)
    assert isinstance(answer, Denied)
    assert answer.reason == "safety"
    assert answer.reasons == tuple(reason for reason, _, _ in AGAINST)


@pytest.mark.parametrize(
    "request_, facts",
    [
        ({}, {"people": None}),  # a silent counter keeps nobody out in a heat wave
        ({}, {"capacity": None, "people": 99}),
        ({}, {"link": "unknown"}),  # then the lock itself answers, or does not
        ({}, {"hours": HoursState(None, None)}),  # hours that nobody can read
        ({"presence": "position", "distance_m": 400.0, "accuracy_m": 300.0}, {}),  # a poor position
        ({"presence": "position", "distance_m": 150.0}, {}),
    ],
)
def test_what_is_not_known_keeps_nobody_out(request_: dict[str, Any], facts: dict[str, Any]) -> None:
    assert isinstance(decide(replace(WORKER, **request_), replace(FREE, **facts), Policy(), T0), Granted)


@pytest.mark.parametrize(
    "request_, facts, reason",
    [
        ({"presence": "unknown"}, {}, "no_location"),
        ({"presence": "position"}, {}, "no_location"),
        ({"code": "replayed"}, {}, "qr_replayed"),
        ({"certification": "pending", "entitled": False}, {}, "pending"),
        ({"certification": "expired"}, {}, "expired"),
        ({"certification": "banned"}, {}, "banned"),
        ({}, {"hours": HoursState(False, None), "has_night_hours": True}, "night"),
    ],
)
def test_the_other_reasons(request_: dict[str, Any], facts: dict[str, Any], reason: str) -> None:
    answer = decide(replace(WORKER, **request_), replace(FREE, **facts), Policy(), T0)
    assert isinstance(answer, Denied)
    assert answer.reason == reason


@pytest.mark.parametrize("reason, request_, facts", AGAINST)
def test_staff_may_enter_a_closed_or_full_station_but_never_a_dangerous_or_broken_one(
    reason: Reason, request_: dict[str, Any], facts: dict[str, Any]
) -> None:
    answer = decide(replace(STAFF, **request_), replace(FREE, **facts), Policy(), T0)
    if reason in ("out_of_service", "too_far", "hours", "full"):
        assert answer == Granted((reason,))
    else:
        assert isinstance(answer, Denied)
        assert answer.reason == reason


def test_safety_cannot_be_waived_by_any_policy() -> None:
    with pytest.raises(ValueError, match="safety cannot be waived"):
        Policy(waived_for_staff=frozenset({"safety"}))
    strict = Policy(waived_for_staff=frozenset())
    assert isinstance(decide(STAFF, replace(FREE, people=8), strict, T0), Denied)


@pytest.mark.parametrize("reason", get_args(Reason))
@pytest.mark.parametrize("long", [False, True])
def test_what_people_read_fits_whatever_is_filled_in(reason: Reason, long: bool) -> None:
    names = ("reason", "date", "phone", "name", "dist", "hours", "opens", "night", "n")
    places = dict.fromkeys(names, "一" * 40 if long else "")
    words = denied(reason, places, places)
    assert 1 <= len(words.title_zh) <= MAX_TITLE
    assert 1 <= len(words.line2_zh) <= MAX_LINE
    assert words.title_en
    assert 1 <= len(words.line2_en) <= 60
    assert "{" not in words.line2_zh + words.line2_en


@pytest.mark.parametrize(
    "request_, facts, title, line2",
    [
        ({}, {"safety": True}, "本站有安全警报", "请远离，不要进入；紧急请拨 119"),
        (
            {},
            {"out_of_service": True, "out_reason": "检修", "out_until": "12 月 1 日"},
            "本站暂停服务",
            "原因：检修，预计 12 月 1 日 恢复",
        ),
        (
            {},
            {"link": "offline", "phone": "0576-88123456"},
            "门锁暂时联系不上",
            "请再试一次；还不行请打 0576-88123456",
        ),
        ({}, {"jammed": True}, "门锁有故障", "已通知维修，请去附近的驿站"),
        ({}, {"people": 9}, "站里已满员", "约 9 人在休息，请稍等或去附近驿站"),
        (
            {},
            {"people": 9, "nearby": "葭沚驿站", "nearby_m": 1234.0},
            "站里已满员",
            "约 9 人在休息，请稍等或去 葭沚驿站（1.2 km）",
        ),
        ({}, {"jammed": True, "nearby": "葭沚驿站"}, "门锁有故障", "已通知维修，附近可去 葭沚驿站"),
        (
            {},
            {
                "hours": HoursState(False, None),
                "hours_today": "08:30–17:30",
                "nearby": "葭沚驿站",
                "nearby_m": 350.0,
            },
            "本站已打烊",
            "附近还开着：葭沚驿站（350 m）",
        ),
        ({"wait_s": 7}, {}, "点得太快了", "请 7 秒后再试"),
        (
            {"presence": "position", "distance_m": 1234.0},
            {},
            "您离门有点远",
            "请走到门口（1.2 km 外）再试",
        ),
        # T0 is 19:06 on a Wednesday.
        (
            {},
            {"hours": HoursState(False, T0 + 13 * HOUR + 24 * MINUTE), "hours_today": "08:30–17:30"},
            "本站已打烊",
            "开放时间 08:30–17:30，明天 08:30 开门",
        ),
        (
            {},
            {"hours": HoursState(False, None), "has_night_hours": True, "night_today": "22:00–06:00"},
            "现在不是夜间开放时间",
            "夜间开放 22:00–06:00",
        ),
    ],
)
def test_the_words_at_the_door(
    request_: dict[str, Any], facts: dict[str, Any], title: str, line2: str
) -> None:
    answer = decide(replace(WORKER, **request_), replace(FREE, **facts), Policy(), T0)
    assert isinstance(answer, Denied)
    assert (answer.title_zh, answer.line2_zh) == (title, line2)


def test_the_facts_of_a_door_are_gathered_from_what_the_station_tells() -> None:
    info = StationInfo("331002-0001", "331002", "Mo-Su 08:00-18:00", "Mo-Su 22:00-06:00", 4, equipped=True)
    until = T0 + 5 * MINUTE
    told = {
        "door_lock/1": {"bolt": ["jammed", T0, until], "mode": ["normal", T0, until]},
        "occupancy_sensor/1": {"people": [4, T0, until]},
    }
    view = StationView.from_facts_json(
        {"devices": told, "lockdown": None, "link": {"station/0": ["online", T0]}}
    )
    facts = AccessFacts.of(info, view, "door_lock/1", "online", T0 + MINUTE, Calendar(), phone="12345")
    assert facts == AccessFacts(
        safety=False,
        out_of_service=False,
        link="online",
        jammed=True,
        hours=HoursState(False, facts.hours.until_ms),
        has_night_hours=True,
        hours_today="08:00–18:00",
        night_today="22:00–06:00",
        people=4,
        capacity=4,
        phone="12345",
    )
    stale = AccessFacts.of(info, view, "door_lock/1", "online", until + 1, Calendar())
    assert (stale.jammed, stale.people) == (False, None)


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"lockdown": {"code": "cabinet_smoke", "since_ms": T0}}, "safety"),
        ({"devices": {"door_lock/1": {"mode": ["fire_release", T0, T0 + MINUTE]}}}, "safety"),
        ({"devices": {"door_lock/1": {"mode": ["lockdown", T0, T0 + MINUTE]}}}, "out_of_service"),
    ],
)
def test_danger_and_a_locked_down_door_are_seen(changed: dict[str, Any], expected: str) -> None:
    info = StationInfo("331002-0001", "331002", "24/7", equipped=True)
    view = StationView.from_facts_json(changed)
    facts = AccessFacts.of(info, view, "door_lock/1", "online", T0 + 1, Calendar())
    answer = decide(WORKER, facts, Policy(), T0 + 1)
    assert isinstance(answer, Denied)
    assert answer.reason == expected
