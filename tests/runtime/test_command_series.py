"""`waystation series`: what waits for InfluxDB, what it refused, and sending that again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from storage import parked, sending, series_outbox
from storage.database import Database
from storage.series_outbox import SENT, Kept
from tests.courier.outbox_rows import keep, sensors
from tests.runtime.command_line import Waystation

BEGIN_MS = 1_795_000_000_000


@pytest.fixture
def sent(hub_database: Database) -> Database:
    """Forty readings, of which ten wait and two were refused."""
    keep(hub_database, list(sensors(40, BEGIN_MS)))
    with hub_database.write() as connection:
        assert sending.claim(connection, "me", BEGIN_MS)
        rows: list[Kept] = series_outbox.read(connection, 0, 30)
        assert sending.advance(connection, "me", 0, rows[-1].id, messages=28, points=28)
        sending.note(connection, "me", "sending", "", BEGIN_MS)
        refused = [(rows[3], 422, "field type conflict"), (rows[4], 400, "unable \x1b[31mto parse")]
        parked.park(connection, refused, BEGIN_MS)
    return hub_database


def test_the_state_says_what_waits_and_what_was_sent(waystation: Waystation, sent: Database) -> None:
    said = waystation("series", "status")

    assert said.code == 0
    lines = dict(line.split(None, 1) for line in said.out.splitlines())
    assert lines["waiting"].startswith("10 messages, ")
    assert "of 20000 MB, the oldest for " in lines["waiting"]
    assert lines["sent"] == "28 messages, 28 points"
    assert lines["refused"].startswith("2 messages")


def test_without_influxdb_it_says_where_readings_are(waystation: Waystation) -> None:
    assert "in the database itself" in waystation("series", "status").out


def test_refused_messages_are_listed_found_and_shown_without_commanding_the_terminal(
    waystation: Waystation, sent: Database
) -> None:
    all_ = waystation("series", "parked").out.splitlines()
    found = waystation("series", "parked", "--text", "conflict").out.splitlines()

    assert (len(all_), len(found)) == (2, 1)
    id_ = found[0].split("\t")[0]
    assert "422" in found[0]
    shown = waystation("series", "show", id_).out
    assert "occupancy_sensor" in shown
    assert '"seq":3' in shown
    for line in all_:
        assert "\x1b" not in line + waystation("series", "show", line.split("\t")[0]).out


def test_they_are_sent_again_or_dropped_when_somebody_says_so(waystation: Waystation, sent: Database) -> None:
    ids = [line.split("\t")[0] for line in waystation("series", "parked").out.splitlines()]

    assert waystation("series", "drop", ids[0]).out.endswith(": 1.\n")
    assert waystation("series", "again", "--all").out.endswith(": 1.\n")
    with sent.read() as connection:
        states = {row.id: row.state for row in parked.search(connection, state=None)}
        noted = connection.scalar(sa.text("SELECT count(*) FROM audit WHERE action LIKE 'series.%'"))
        assert series_outbox.reached(connection, SENT) == 30
    assert states == {int(ids[0]): "dropped", int(ids[1]): "again"}
    assert noted == 2


def test_nothing_is_done_to_all_by_mistake(waystation: Waystation, sent: Database) -> None:
    assert waystation("series", "again").code == 2
    assert waystation("series", "drop", "1", "--all").code == 2
    assert waystation("series", "show", "999").code == 1
