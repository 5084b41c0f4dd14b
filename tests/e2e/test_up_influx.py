"""The whole hub with its readings in InfluxDB, which goes away for a while and comes back."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from tests import influx as influx_server
from tests.e2e.running import Running, command, new_settings, running
from tests.influx import InfluxServer
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PLACE = "/api/v1/history/331002-0001/climate_sensor/1?metric=temp_c"


def _waiting(hub: Running) -> float:
    text = hub.ask("GET", "/metrics").body.decode()
    found = re.search(r"^waystation_series_waiting (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else -1.0


def environments_of(folder: Path) -> list[str]:
    """What every process was given that works in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (process / "environ").read_text("utf-8", "replace")
            if f"WAYSTATION_VAR_DIR={folder}" in told and b"\0up" not in (process / "cmdline").read_bytes():
                found.append(told)
    assert len(found) >= 4
    return found


def test_readings_can_be_seen_wait_while_influxdb_is_away_and_are_seen_again(tmp_path: Path) -> None:
    program = influx_server.program()
    if program is None:
        pytest.skip("no influxd that could be killed: build one with .ci/influxd.sh")
    server = InfluxServer(program)
    try:
        server.start()
        at = server.at("readings")
        settings = {
            **new_settings(tmp_path / "var", stations=4),
            "WAYSTATION_SERIES": "influx",
            "WAYSTATION_INFLUX_URL": at.url,
            "WAYSTATION_INFLUX_ORG": at.org,
            "WAYSTATION_INFLUX_BUCKET": at.bucket,
            "WAYSTATION_INFLUX_TOKEN": at.token,
            "WAYSTATION_SIM_MESSAGES_PER_S": "20",
        }
        with running(settings, tmp_path) as hub:
            assert "InfluxDB ready" in hub.said, "a start prepares it"
            assert not [line for line in environments_of(tmp_path) if at.token in line]
            token = command(
                hub.settings, "token", "create", "--name", "test", "--area", "33", "--days", "1",
                "--scope", "history:read",
            )  # fmt: skip
            bearer = f"Bearer {token.stdout.splitlines()[0]}"

            def points() -> int:
                answer = hub.ask("GET", PLACE, Authorization=bearer)
                assert answer.status == 200, answer
                return len(answer.body["points"])

            eventually(points, 30)
            server.kill()
            before = _waiting(hub)
            eventually(lambda: _waiting(hub) > max(20, before + 10), 60, every_s=0.2)
            assert hub.ask("GET", PLACE, Authorization=bearer).status == 503
            assert hub.ask("GET", "/readyz").status == 200, "doors and the map need no InfluxDB"
            said = command(hub.settings, "series", "status").stdout
            assert "state      away" in said
            server.start()
            eventually(lambda: 0 <= _waiting(hub) < 20, 60, every_s=0.2)
            eventually(points, 30)
            said = command(hub.settings, "series", "status").stdout
            assert "state      sending" in said
            assert re.search(r"^refused    0 ", said, re.MULTILINE)
        assert at.token not in hub.said
        for file in (tmp_path / "var" / "log").iterdir():
            assert at.token not in file.read_text("utf-8", "replace"), file.name
    finally:
        server.remove()


def test_a_hub_whose_influxdb_is_away_starts_all_the_same_and_says_so(tmp_path: Path) -> None:
    settings = {
        **new_settings(tmp_path / "var", stations=2),
        "WAYSTATION_SERIES": "influx",
        "WAYSTATION_INFLUX_URL": "http://127.0.0.1:9",
        "WAYSTATION_INFLUX_ORG": "waystation",
        "WAYSTATION_INFLUX_TOKEN": "word",
    }
    with running(settings, tmp_path) as hub:
        assert hub.ask("GET", "/readyz").status == 200
        assert "Readings wait in the database. InfluxDB does not answer at http://127.0.0.1:9" in hub.said
        assert "If it is new, run `./waystation db init` once it does." in hub.said
