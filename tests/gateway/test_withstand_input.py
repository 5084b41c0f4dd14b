"""Bytes that nobody should have sent: each is kept with its reason, and what is good goes through."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from device_sim.edge_box import Sending
from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.clock import WallClock
from storage import registry
from tests.gateway.house import ADCODE, Box, House, station_id
from tests.gateway.keeping_box import KeepingBox, talking
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

OCCUPANCY = "occupancy_sensor"


def quarantined(house: House) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in house.rows("SELECT reason, path FROM quarantine ORDER BY id")]


def raw(box: Box, tail: str) -> bytes:
    """A report of the counter, its content as text."""
    head = json.dumps(box.envelope())
    return f"{head[:-1]},{tail}}}".encode()


def test_a_buffer_empties_although_one_message_cannot_be_read_and_one_is_lost_on_the_way(
    house: House, loop: MqttLoop
) -> None:
    house.gateway()
    box = KeepingBox(house, loop)
    lost: list[int] = []

    def loses(sending: Sending) -> bool:
        if sending.seq == 6 and not lost:
            lost.append(6)
            return True
        return False

    box.loses = loses
    with talking(box):
        for count in range(100):
            garbled = b"\xff\xfe this is no message" if count == 4 else None
            box.say(OCCUPANCY, "telemetry", {"count_raw": count}, garbled=garbled)
        eventually(lambda: box.held == 0, 10, saying="the buffer is empty")
    assert lost == [6]
    assert box.box.dropped == 1
    assert box.promised >= set(range(100)) - {4}
    rows = house.rows("SELECT seq FROM series_occupancy_sensor ORDER BY seq")
    assert [row[0] for row in rows] == [seq for seq in range(100) if seq != 4]
    assert quarantined(house) == [("not_utf8", "")]


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ('"count_raw":1,"note":' + "1" + "0" * 23, "bad_number"),
        ('"count_raw":1,"note":1e999', "bad_number"),
        ('"count_raw":1,"deep":{"list":[1,-1e999]}', "bad_number"),
        ('"count_raw":1,"note":NaN', "bad_number"),
        ('"count_raw":1,"note":"a\\u0000b"', "nul"),
        ('"count_raw":1,"no\\u0000te":1', "nul"),
        ('"count_raw":1,"note":"a\x00b"', "nul"),
        ('"count_raw":1,"note":"\\ud800"', "not_utf8"),
        ('"count_raw":1,"count_raw":2', "duplicate_key"),
        ('"count_raw":1,"deep":' + "[" * 50 + "]" * 50, "too_deep"),
    ],
)
def test_what_no_database_can_keep_is_quarantined_and_the_next_message_is_in_within_a_second(
    house: House, box: Box, tail: str, reason: str
) -> None:
    topic = topics.telemetry(ADCODE, box.device(OCCUPANCY))
    box.say(topic, box.envelope(count_raw=5))
    eventually(lambda: box.promised(0), 5)
    box.send(topic, raw(box, tail))
    began_s = time.monotonic()
    good = box.report(OCCUPANCY, count_raw=7)
    eventually(lambda: box.promised(good), 5)
    assert time.monotonic() - began_s < 1
    assert house.rows("SELECT count_raw FROM series_occupancy_sensor ORDER BY seq") == [(5,), (7,)]
    assert [kept for kept, _ in quarantined(house)] == [reason]


def test_every_kind_of_nonsense_is_counted_and_kept_with_its_path(house: House, loop: MqttLoop) -> None:
    gateway = house.gateway()
    box = Box(house, loop)
    box.online()
    first = box.report(OCCUPANCY, count_raw=0)
    eventually(lambda: box.promised(first), 5)
    here = f"ws/{ADCODE}/{box.station}"
    telemetry = f"{here}/bulk/{OCCUPANCY}/1/telemetry"
    now_ms = WallClock().now_ms()

    def body(**fields: Any) -> bytes:
        return json.dumps({**box.envelope(), **fields}).encode()

    nonsense: list[tuple[str, bytes, str, str]] = [
        (telemetry, b"{", "not_json", ""),
        (telemetry, b"[1]", "not_an_object", ""),
        (telemetry, body(pad="x" * 17_000), "too_large", ""),
        (telemetry, b"x" * 60_000, "too_large", ""),
        (telemetry, body(count_raw="three"), "bad_payload", "count_raw"),
        (telemetry, body(ts=now_ms // 1000), "seconds", "ts"),
        (telemetry, body(ts="now"), "bad_envelope", "ts"),
        (telemetry, body(ts=10**15), "bad_envelope", "ts"),
        (telemetry, body(seq=-1), "bad_envelope", "seq"),
        (telemetry, body(low=10**6), "bad_envelope", "low"),
        (telemetry, body(v=2), "bad_envelope", "v"),
        (telemetry, body(boot="two words"), "bad_envelope", "boot"),
        (f"{here}/bulk/teapot/1/telemetry", body(count_raw=1), "unknown_device", "topic"),
        (f"{here}/bulk/{OCCUPANCY}/9/telemetry", body(count_raw=1), "unknown_device", "topic"),
        (f"{here}/bulk/{OCCUPANCY}/01/telemetry", body(count_raw=1), "bad_topic", "topic.n"),
        (f"{here}/bulk/{OCCUPANCY}/1/gossip", body(count_raw=1), "bad_topic", "topic.leaf"),
        (f"{here}/quick/door_lock/1/event", body(type="exploded"), "unknown_event", "type"),
        (f"{here}/quick/door_lock/1/reply", body(id="x", state="maybe"), "bad_payload", "state"),
        (
            f"{here}/quick/station/0/link",
            b'{"v":1,"online":"yes","boot":"b","conn":1}',
            "bad_payload",
            "online",
        ),
    ]
    for topic, payload, _, _ in nonsense:
        box.send(topic, payload)
    good = box.report(OCCUPANCY, count_raw=1)
    eventually(lambda: box.promised(good) and len(quarantined(house)) >= len(nonsense), 10)
    assert sorted(quarantined(house)) == sorted((reason, path) for _, _, reason, path in nonsense)
    counted = sum(n for name, n in gateway.health.counts.items() if name.startswith("quarantined."))
    assert counted == len(nonsense)
    sizes = house.rows("SELECT length(payload), size FROM quarantine WHERE reason='too_large' ORDER BY size")
    assert [tuple(row) for row in sizes] == [(16_384, sizes[0][1]), (16_384, 60_000)]
    assert house.rows("SELECT count_raw FROM series_occupancy_sensor ORDER BY seq") == [(0,), (1,)]


def test_who_was_registered_a_moment_ago_is_no_stranger(house: House, box: Box) -> None:
    good = box.report(OCCUPANCY, count_raw=1)
    eventually(lambda: box.promised(good), 5, saying="the gateway has its fleet")
    for n in range(2, 7):
        device = DeviceId(box.station, OCCUPANCY, n)
        with house.database.write() as connection:
            registry.put_devices(connection, [registry.Device(device, edge_box(box.station))])
        seq = box.say(topics.telemetry(ADCODE, device), box.envelope(count_raw=n))
        eventually(lambda seq=seq: box.promised(seq), 5)  # type: ignore[misc]
    assert quarantined(house) == []
    assert house.rows("SELECT n FROM series_occupancy_sensor ORDER BY n") == [(n,) for n in range(1, 7)]


def test_a_message_on_a_strangers_topic_reaches_nobody_or_the_quarantine(house: House, box: Box) -> None:
    """The broker delivers only a station's own branch; what claims a false division is put aside."""
    mine = topics.telemetry(ADCODE, box.device(OCCUPANCY))
    box.send(mine.replace(station_id(1), station_id(2)), json.dumps(box.envelope(count_raw=9)).encode())
    box.send(mine.replace(ADCODE, "330106"), json.dumps(box.envelope(count_raw=9)).encode())
    good = box.report(OCCUPANCY, count_raw=1)
    eventually(lambda: box.promised(good), 5)
    assert house.rows("SELECT station, count_raw FROM series_occupancy_sensor") == [(station_id(1), 1)]
    assert quarantined(house) in ([], [("wrong_division", "topic.adcode")])
    assert not any(ack["boot"] == box.boot and ack["upto"] > good for ack in box.acks)


@pytest.mark.parametrize("ts_ms", [86_400_000, 4_102_444_800_000], ids=["1970", "2100"])
def test_a_wrong_clock_is_a_fault_and_the_hubs_time_counts(house: House, box: Box, ts_ms: int) -> None:
    eventually(lambda: house.rows("SELECT 1 FROM worker WHERE bulk_since_ms IS NOT NULL"), 10)
    before_ms = WallClock().now_ms()
    body = {**box.envelope(count_raw=4), "ts": ts_ms}
    seq = box.say(topics.telemetry(ADCODE, box.device(OCCUPANCY)), body)
    eventually(lambda: box.promised(seq), 5)
    [(at_ms, device_ts_ms)] = house.rows("SELECT at_ms, device_ts_ms FROM series_occupancy_sensor")
    assert device_ts_ms == ts_ms
    assert before_ms - 1000 <= at_ms <= WallClock().now_ms()
    state = json.loads(house.rows("SELECT state FROM device_state WHERE kind='station'")[0][0])
    assert state["clock_fault"] is True


def test_a_refused_first_message_of_a_boot_is_kept_once_however_often_it_comes(
    house: House, box: Box
) -> None:
    topic = topics.telemetry(ADCODE, box.device(OCCUPANCY))
    body = {**box.envelope(low=0), "count_raw": "three"}
    box.say(topic, body)
    eventually(lambda: quarantined(house), 5)
    box.say(topic, {**body, "low": None})
    good = box.report(OCCUPANCY, low=0, count_raw=1)
    eventually(lambda: box.promised(good), 5)
    box.say(topic, body)
    last = box.report(OCCUPANCY, low=0, count_raw=2)
    eventually(lambda: box.promised(last), 5)
    assert house.rows("SELECT count(*) FROM quarantine WHERE boot=:boot AND seq=0", boot=box.boot) == [(1,)]


def test_a_station_that_floods_does_not_keep_others_waiting(house: House, loop: MqttLoop) -> None:
    """Three thousand messages a second, every tenth of them rubbish, for five seconds."""
    gateway = house.gateway()
    flooder, quiet = Box(house, loop, 1), Box(house, loop, 2)
    topic = topics.telemetry(ADCODE, flooder.device(OCCUPANCY))
    waits: list[float] = []
    depths: list[int] = []
    ends_s = time.monotonic() + 5
    next_quiet_s, sent, started_s = 0.0, 0, time.monotonic()
    asked: dict[int, float] = {}
    while (now_s := time.monotonic()) < ends_s:
        while sent < (now_s - started_s) * 3_000:
            payload = (
                b"rubbish %d" % sent if sent % 10 == 0 else json.dumps(flooder.envelope(count_raw=1)).encode()
            )
            if not flooder.link.publish(topic, payload, 1):
                break
            sent += 1
        if now_s >= next_quiet_s:
            next_quiet_s = now_s + 0.25
            asked[quiet.report(OCCUPANCY, count_raw=2)] = now_s
        served = [seq for seq in asked if quiet.promised(seq)]
        waits += [now_s - asked.pop(seq) for seq in served]
        depths.append(sum(lane.inbox_depth for lane in gateway._hub.status().lanes.values()))
        time.sleep(0.002)
    eventually(lambda: all(quiet.promised(seq) for seq in asked), 2, saying="everybody else is served")
    print(f"\n{sent} messages in 5 s, others waited at most {max(waits):.2f} s, inbox at most {max(depths)}")
    assert sent > 5_000
    assert max(waits) < 2
    assert max(depths) <= 30_000
