"""The alarms about readings and notices that wait ring in time, judged by Prometheus over made-up hours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.settings import TREE

pytestmark = pytest.mark.integration

BOUND = 20_000_000_000
GB = 1_000_000_000
"""What a province says in an hour."""
WELL = {
    'waystation_series_sender{state="locked"}': "0x1440",
    'waystation_series_sender{state="away"}': "0x1440",
    'waystation_series_sender{state="sending"}': "1x1440",
    "waystation_series_oldest_seconds": "1x1440",
    "waystation_series_waiting_bytes": "3000000x1440",
    "waystation_series_bound_bytes": f"{BOUND}x1440",
    "waystation_series_refused": "0x1440",
    "waystation_series_rolled_up": "7x1440",
    "waystation_notices_oldest_seconds": "0x1440",
}
"""A day, minute by minute."""
WAITING = ("Readings", "NoticesWait")
AWAY = {
    "waystation_series_oldest_seconds": "0+60x1440",
    "waystation_series_waiting_bytes": f"0+{GB // 60}x1440",
}


def said(tmp_path: Path, changed: dict[str, str], at: str, *expected: str) -> str:
    """What promtool complains of when these alarms about what waits, and no others, shall ring at a time."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("Prometheus is not installed (Debian's package prometheus)")
    text = (TREE / "deploy" / "prometheus" / "rules.yml").read_text("utf-8")
    rules: list[dict[str, Any]] = yaml.safe_load(text)["groups"][0]["rules"]
    ours = {rule["alert"]: rule for rule in rules if rule["alert"].startswith(WAITING)}
    assert len(ours) == 6
    (tmp_path / "rules.yml").write_text(text, encoding="utf-8")
    labels = {
        name: {"severity": rule["labels"]["severity"]}
        | ({"state": "locked"} if "locked" in rule["expr"] else {})
        for name, rule in ours.items()
    }
    # Summaries hold numbers; what counts here is which alarms ring.
    for rule in rules:
        rule["annotations"] = {}
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "hub", "rules": rules}]}), encoding="utf-8"
    )
    asked = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values} for name, values in (WELL | changed).items()
                ],
                "alert_rule_test": [
                    {
                        "eval_time": at,
                        "alertname": name,
                        "exp_alerts": [{"exp_labels": labels[name]}] if name in expected else [],
                    }
                    for name in ours
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(asked), encoding="utf-8")
    done = subprocess.run(
        [tool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("at", ["10m", "6h", "23h"])
def test_none_rings_while_readings_arrive(tmp_path: Path, at: str) -> None:
    assert not said(tmp_path, {}, at)


def test_an_influxdb_that_is_away_is_told_within_half_an_hour(tmp_path: Path) -> None:
    assert not said(tmp_path, AWAY, "14m")
    assert not said(tmp_path, AWAY, "25m", "ReadingsWait")


def test_somebody_is_woken_when_a_quarter_of_the_room_is_taken_hours_before_it_is_full(
    tmp_path: Path,
) -> None:
    assert not said(tmp_path, AWAY, "4h50m", "ReadingsWait")
    assert not said(tmp_path, AWAY, "5h10m", "ReadingsWait", "ReadingsFillTheOutbox")


def test_less_room_wakes_somebody_earlier(tmp_path: Path) -> None:
    small = AWAY | {"waystation_series_bound_bytes": f"{GB}x1440"}

    assert not said(tmp_path, small, "25m", "ReadingsWait", "ReadingsFillTheOutbox")


def test_a_refused_token_is_told_within_minutes(tmp_path: Path) -> None:
    locked = {
        'waystation_series_sender{state="sending"}': "0x1440",
        'waystation_series_sender{state="locked"}': "1x1440",
    }

    assert not said(tmp_path, locked, "5m", "ReadingsLockedOut")


def test_readings_that_are_shortened_or_refused_are_told(tmp_path: Path) -> None:
    full = {"waystation_series_rolled_up": "0x60 1000+1000x1000", "waystation_series_refused": "0x60 3x1000"}

    assert not said(tmp_path, full, "1h")
    assert not said(tmp_path, full, "70m", "ReadingsShortened", "ReadingsRefused")


def test_notices_that_reach_nobody_wake_somebody_within_a_quarter_of_an_hour(tmp_path: Path) -> None:
    untold = {"waystation_notices_oldest_seconds": "0x30 0+60x1400"}

    assert not said(tmp_path, untold, "40m")
    assert not said(tmp_path, untold, "50m", "NoticesWait")
    assert not said(tmp_path, {"waystation_notices_oldest_seconds": "0x30 0+60x9 0x1400"}, "50m")


def test_a_hub_that_keeps_its_readings_itself_hears_nothing(tmp_path: Path) -> None:
    nothing = dict.fromkeys(WELL, "_x1440")

    assert not said(tmp_path, nothing, "23h")
