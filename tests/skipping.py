"""A skip is a failure where every part of the suite can be had."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed_skips.txt")
KEPT_IN = "WAYSTATION_TEST_SKIPS"


def required() -> bool:
    """True when WAYSTATION_TEST_REQUIRE asks that nothing be left out without leave."""
    return os.environ.get("WAYSTATION_TEST_REQUIRE", "") not in ("", "0")


def allowed(reason: str) -> bool:
    """True when one line of allowed_skips.txt, a pattern with * and ?, fits the reason."""
    lines = [line.split("#")[0].strip() for line in ALLOWED.read_text("utf-8").splitlines()]
    return any(fnmatch.fnmatchcase(reason, line) for line in lines if line)


def refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skipped report into a failed one, unless its reason is allowed.

    What stays skipped is added to the file that WAYSTATION_TEST_SKIPS names, one line each.
    """
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = said.removeprefix("Skipped: ")
    if required() and not allowed(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped, although everything must run here: {reason}"
    elif kept := os.environ.get(KEPT_IN):
        with Path(kept).open("a", encoding="utf-8") as file:
            file.write(f"{report.nodeid}: {reason}\n")
