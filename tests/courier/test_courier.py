"""The courier: sends what is due, tries again what may work, and says loudly what never will."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from courier.channel import NotDelivered, RecordingChannel
from courier.courier import Courier
from storage.database import Database
from storage.tables import alert, notice
from tests.courier.conftest import StepClock, Tell
from tests.waiting import eventually

Outcome = Callable[[], list[tuple[str, int, bool, str | None]]]


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


@pytest.fixture
def courier(db: Database, channel: RecordingChannel, clock: StepClock) -> Courier:
    return Courier(db, [channel], clock, base_url="https://hub.example.org/", jitter=random.Random(1))


def test_an_alert_is_told_in_both_languages_with_what_happened_and_where_to_look(
    courier: Courier, channel: RecordingChannel, tell: Tell, outcome: Outcome
) -> None:
    tell("x")
    assert courier.round() == 1
    (message,) = channel.messages
    body = message.body
    assert message.key == body["id"] == "x:opened"
    assert body["text_zh"] == "【严重】椒江万达 · 换电柜 7 号仓：电池 62.4 ℃。"
    assert body["text_en"] == "Slot 7: battery at 62.4 °C."
    assert body["link"] == "https://hub.example.org/#331002-0001"
    assert body["repeated"] is False
    assert body["alert"]["severity"] == "major"
    assert body["alert"]["severity_zh"] == "严重"
    assert body["alert"]["reasons"] == {"temp_c": 62.4}
    assert outcome() == [("sent", 1, False, None)]
    assert courier.round() == 0


def test_that_it_is_over_says_for_how_long_it_lasted(
    courier: Courier, channel: RecordingChannel, tell: Tell, clock: StepClock
) -> None:
    tell("x")
    courier.round()
    clock.move_s(12 * 60)
    tell("x", "resolved")
    courier.round()
    over = channel.messages[-1].body
    assert over["what"] == "resolved"
    assert over["text_zh"].startswith("【恢复】持续 12 分钟，数据显示已恢复。")
    assert over["text_en"].startswith("[Over] after 12 min: the data show that it is over.")


def test_an_alert_that_a_graver_one_takes_over_is_not_told_as_recovered(
    courier: Courier, channel: RecordingChannel, tell: Tell
) -> None:
    tell("x")
    courier.round()
    tell("x", "resolved", reason="superseded")
    courier.round()
    over = channel.messages[-1].body
    assert over["text_zh"].startswith("【合并】持续 0 分钟，已并入更严重的警报。")
    assert over["text_en"].startswith("[Taken over] after 0 min: a graver alert takes over.")
    assert over["alert"]["resolved_reason"] == "superseded"


def test_what_follows_from_one_fire_is_told_as_one_incident(
    courier: Courier, channel: RecordingChannel, tell: Tell
) -> None:
    tell("a", safety=True)
    tell("b", safety=True)
    tell("c")
    courier.round()
    first, second, other = (message.body for message in channel.messages)
    assert first["alert"]["incident"] == second["alert"]["incident"] == "a"
    assert not first["text_zh"].startswith("【同一事件】")
    assert second["text_zh"].startswith("【同一事件】【严重】")
    assert second["text_en"].startswith("[Same incident] Slot 7")
    assert other["alert"]["incident"] == "c"
    tell("a", "resolved")
    tell("d", safety=True)
    courier.round()
    assert channel.messages[-1].body["alert"]["incident"] == "b"


def test_what_did_not_arrive_is_tried_again_later_and_later(
    courier: Courier, channel: RecordingChannel, tell: Tell, outcome: Outcome, clock: StepClock
) -> None:
    tell("x")
    channel.broken = NotDelivered("no connection")
    for tries, longest_s in enumerate([5, 10, 20, 40, 80, 160, 320, 600, 600], start=1):
        assert courier.round() == 1
        assert outcome() == [("waiting", tries, False, "no connection")]
        clock.move_s(longest_s / 2 - 0.01)
        assert courier.round() == 0
        clock.move_s(longest_s / 2 + 0.02)
    channel.broken = None
    assert courier.round() == 1
    assert outcome() == [("sent", 10, False, None)]
    assert [message.body["repeated"] for message in channel.messages] == [False]


def test_a_receiver_that_asks_for_time_gets_it(
    courier: Courier, channel: RecordingChannel, tell: Tell, clock: StepClock
) -> None:
    tell("x")
    channel.broken = NotDelivered("the receiver answered 429", retry_after_s=90)
    assert courier.round() == 1
    clock.move_s(89)
    assert courier.round() == 0
    clock.move_s(2)
    assert courier.round() == 1


def test_what_may_have_arrived_is_marked_when_it_is_sent_again(
    courier: Courier, channel: RecordingChannel, tell: Tell, clock: StepClock
) -> None:
    tell("x")
    channel.broken = NotDelivered("no answer", maybe_arrived=True)
    courier.round()
    channel.broken = None
    clock.move_s(6)
    courier.round()
    first, second = channel.messages
    assert first.key == second.key
    assert (first.body["repeated"], second.body["repeated"]) == (False, True)
    assert second.body["text_zh"].startswith("【重发】")


def test_a_sender_that_died_is_replaced_after_a_minute(
    courier: Courier, db: Database, channel: RecordingChannel, tell: Tell, clock: StepClock
) -> None:
    class Dies:
        name = "webhook"

        def send(self, message: object) -> None:
            raise KeyboardInterrupt

        def close(self) -> None: ...

    tell("x")
    dying = Courier(db, [Dies()], clock, base_url="")
    with pytest.raises(KeyboardInterrupt):
        dying.round()
    assert courier.round() == 0
    clock.move_s(60)
    assert courier.round() == 1
    assert [message.body["repeated"] for message in channel.messages] == [True]


def test_a_permanent_refusal_is_said_once_and_loudly(
    courier: Courier,
    channel: RecordingChannel,
    tell: Tell,
    outcome: Outcome,
    clock: StepClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell("x")
    channel.broken = NotDelivered("the receiver answered 404", permanent=True)
    with caplog.at_level(logging.INFO, "courier"):
        courier.round()
        clock.move_s(3600)
        courier.round()
    assert outcome() == [("failed", 1, False, "the receiver answered 404")]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "331002-0001" in record.getMessage()


def test_the_same_trouble_is_not_logged_again_and_its_end_is(
    courier: Courier,
    channel: RecordingChannel,
    tell: Tell,
    clock: StepClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in "abc":
        tell(name)
    channel.broken = NotDelivered("no connection (ConnectError)")
    with caplog.at_level(logging.INFO, "courier"):
        courier.round()
        clock.move_s(6)
        courier.round()
        channel.broken = None
        clock.move_s(700)
        courier.round()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "do not arrive" in said[0]
    assert "takes messages again" in said[1]


def test_without_a_channel_notices_wait_and_the_log_says_so_once(
    db: Database, tell: Tell, outcome: Outcome, clock: StepClock, caplog: pytest.LogCaptureFixture
) -> None:
    tell("x")
    stop = threading.Event()
    alone = Courier(db, [], clock, base_url="")
    with caplog.at_level(logging.WARNING, "courier"):
        thread = threading.Thread(target=alone.run, args=(stop,))
        thread.start()
        eventually(lambda: caplog.records)
        stop.set()
        thread.join(5)
    assert outcome() == [("waiting", 0, False, None)]
    assert ["WAYSTATION_WEBHOOK_URL" in record.getMessage() for record in caplog.records] == [True]


def test_a_receiver_that_is_set_up_late_hears_of_what_is_open(
    courier: Courier, db: Database, channel: RecordingChannel, tell: Tell
) -> None:
    for alert_id in ("open", "over"):
        tell(alert_id)
    with db.write() as conn:
        conn.execute(sa.delete(notice))
        conn.execute(sa.update(alert).where(alert.c.id == "over").values(resolved_ms=1, state="resolved"))
    stop = threading.Event()
    thread = threading.Thread(target=courier.run, args=(stop,))
    thread.start()
    eventually(lambda: channel.messages)
    stop.set()
    thread.join(5)
    assert [message.key for message in channel.messages] == ["open:opened"]


def test_it_runs_until_it_is_told_to_stop(
    courier: Courier, channel: RecordingChannel, tell: Tell, outcome: Outcome
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=courier.run, args=(stop,))
    thread.start()
    for n in range(12):
        tell(f"x{n}")
    eventually(lambda: len(channel.messages) == 12 and {row[0] for row in outcome()} == {"sent"})
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
