"""Where everything can run, a skip is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import skipping


def skipped(reason: str) -> pytest.TestReport:
    return pytest.TestReport(
        "tests/x.py::test_x", ("tests/x.py", 1, "test_x"), {}, "skipped",
        ("tests/x.py", 1, f"Skipped: {reason}"), "call",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _real_skips_are_written_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(skipping.KEPT_IN, raising=False)


@pytest.mark.parametrize(
    ("require", "outcome"), [(None, "skipped"), ("", "skipped"), ("0", "skipped"), ("1", "failed")]
)
def test_a_skip_fails_only_where_everything_is_required(
    monkeypatch: pytest.MonkeyPatch, require: str | None, outcome: str
) -> None:
    monkeypatch.delenv("WAYSTATION_TEST_REQUIRE", raising=False)
    if require is not None:
        monkeypatch.setenv("WAYSTATION_TEST_REQUIRE", require)
    report = skipped("mosquitto is not installed")
    skipping.refuse(report)

    assert report.outcome == outcome


def test_the_failure_repeats_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSTATION_TEST_REQUIRE", "1")
    report = skipped("mosquitto is not installed")
    skipping.refuse(report)

    assert "mosquitto is not installed" in str(report.longrepr)


def test_what_stays_left_out_is_written_down_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WAYSTATION_TEST_REQUIRE", raising=False)
    monkeypatch.setenv(skipping.KEPT_IN, str(tmp_path / "skips"))
    skipping.refuse(skipped("no such disk here"))
    monkeypatch.setenv("WAYSTATION_TEST_REQUIRE", "1")
    skipping.refuse(skipped("this one fails"))

    assert (tmp_path / "skips").read_text("utf-8") == "tests/x.py::test_x: no such disk here\n"


def test_an_expected_failure_is_no_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSTATION_TEST_REQUIRE", "1")
    report = skipped("known")
    report.wasxfail = "known"
    skipping.refuse(report)

    assert report.outcome == "skipped"


def test_every_allowed_reason_says_something() -> None:
    lines = skipping.ALLOWED.read_text("utf-8").splitlines()

    assert not [line for line in lines if line.split("#")[0].strip() in ("*", "?*")]
