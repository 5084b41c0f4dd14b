"""Points become messages again, whichever version wrote them."""

from __future__ import annotations

from domain.facts import Value
from domain.ids import DeviceId
from storage.influx_answer import Row
from storage.influx_messages import put_together

AT_MS = 1_795_000_000_000
SENSOR = DeviceId("331002-0001", "occupancy_sensor", 1)


def point(nanoseconds: int, fields: dict[str, Value]) -> list[Row]:
    at_ns, whose = AT_MS * 10**6 + nanoseconds, (SENSOR.station, SENSOR.kind, str(SENSOR.n))
    return [Row(at_ns, value, name, 0, *whose) for name, value in fields.items()]


def test_a_point_that_was_written_with_its_number_in_a_field_is_read_as_one_whose_time_tells_it() -> None:
    said: dict[str, Value] = {"boot": "b1", "received_ms": AT_MS + 20, "count_raw": 3}
    before, now = put_together(point(7, said | {"seq": 7})), put_together(point(7, said))
    assert before == now
    assert [one.reading.seq for one in now[SENSOR]] == [7]


def test_a_point_that_somebody_else_wrote_is_no_message() -> None:
    assert put_together(point(7, {"count_raw": 3})) == {SENSOR: []}
