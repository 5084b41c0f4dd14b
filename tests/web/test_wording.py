"""The words that the server puts into pages."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from tests.web import samples
from web import pages, wording

NOON_MS = wording.moment_ms("2026-11-24T04:00:00Z") or 0


@pytest.mark.parametrize(
    ("ms", "zh", "en"),
    [
        (0, "1 秒前", "1 s ago"),
        (59_999, "59 秒前", "59 s ago"),
        (60_000, "1 分钟前", "1 min ago"),
        (7_200_000, "2 小时前", "2 h ago"),
    ],
)
def test_an_age_has_one_unit(ms: int, zh: str, en: str) -> None:
    assert (wording.age(ms, False), wording.age(ms, True)) == (zh, en)


def test_a_claim_past_its_end_is_unknown_and_keeps_its_silence() -> None:
    station = samples.station(seats_told=samples.seats(6, ago_s=12), fresh_s=60)
    now_ms = samples.now_ms()
    fresh = wording.Row.of(station, now_ms, en=False)
    assert fresh.seats is not None
    assert (fresh.word, fresh.seats.value) == ("现在开放", "6 座")
    old = wording.Row.of(station, now_ms + 180_000, en=False)
    assert old.seats is not None
    assert (old.word, old.note, old.seats.value, old.seats.note) == (
        "情况未知",
        "可能开着",
        None,
        "3 分钟没消息",
    )


def test_the_air_inside_stands_beside_the_hours_while_it_is_fresh() -> None:
    station = samples.station(seats_told=samples.seats(6))
    station["availability"]["air"] = samples.claim("temp_c", 26, ago_s=20)
    now_ms = samples.now_ms()
    assert wording.Row.of(station, now_ms, en=False).note == "24 小时 · 室内 26 ℃"
    assert wording.Row.of(station, now_ms, en=True).note == "24 hours · 26 °C inside"
    station["availability"]["valid_until"] = samples.at(3_600)
    assert wording.Row.of(station, now_ms + 600_000, en=False).note == "24 小时"


def test_an_alarm_does_not_lapse() -> None:
    row = wording.Row.of(samples.station(state="safety", fresh_s=-600), samples.now_ms(), en=False)
    assert row.word == "有安全警报"


def test_night_is_from_six_to_six_by_the_station_clock() -> None:
    hours = {hour: wording.is_night(NOON_MS + (hour - 12) * 3_600_000) for hour in (0, 5, 6, 12, 17, 18, 23)}
    assert hours == {0: True, 5: True, 6: False, 12: False, 17: False, 18: True, 23: True}


def test_a_time_of_another_day_names_the_day() -> None:
    day_ms = 86_400_000
    said = [wording.when(NOON_MS + n * day_ms, NOON_MS, en=False) for n in range(3)]
    assert said == ["12:00", "明天 12:00", "11 月 26 日"]
    assert wording.when(NOON_MS + 10 * 86_400_000, NOON_MS, True) == "4 Dec"
    assert datetime.fromtimestamp(NOON_MS / 1000, wording.STATION_CLOCK).hour == 12


def test_pages_load_only_files_that_are_there_under_names_that_change_with_them() -> None:
    door = {"door": "K7Q2", "station": samples.station(), "label": None, "lock": "online"}
    texts = [
        pages.overview_page(),
        pages.plain_page([], [], now_ms=NOON_MS),
        pages.door_page(door, now_ms=NOON_MS, signed_in=True),
    ]
    for text in texts:
        loaded = re.findall(r'(?:src|href)="(/static/[^"]+|https?:[^"]+)"', text)
        assert loaded
        for address in loaded:
            name, version = re.fullmatch(r"/static/([a-z]+\.[a-z]+)\?v=([0-9a-f]{12})", address).groups()  # type: ignore[union-attr]
            assert (pages.STATIC / name).is_file()
            assert pages.asset(name) == address
            assert version
        assert " style=" not in text
        assert not re.search(r"<script(?![^>]*(src=|application/json))", text)
        assert not re.search(r"\son[a-z]+=", text)


def test_a_refusal_for_safety_shows_the_alarm_without_script_too() -> None:
    door = {"door": "K7Q2", "station": samples.station(), "label": None, "lock": "online"}
    verdict = {"state": "denied", "reason": "safety", "title_zh": "本站有安全警报", "line2_zh": "请远离"}
    text = pages.door_page(door, now_ms=NOON_MS, signed_in=True, verdict=verdict)
    assert '<section id="safety">' in text
    assert '<section id="refused" class="hero" hidden>' in text
