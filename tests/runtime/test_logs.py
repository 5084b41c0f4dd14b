"""Log lines are JSON in a file that only its owner reads, and short in the terminal."""

from __future__ import annotations

import json
import logging
import logging.handlers
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.logs import OLD_FILES, JsonLine, ShortLine, start_logging
from runtime.settings import Settings


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield start_logging("gateway", Settings(var_dir=tmp_path))
    for handler in root.handlers[:]:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_when_who_what_and_its_action(log_file: Path) -> None:
    logging.getLogger("gateway.x").warning("Station %s 门", "331002-0001", extra={"action": "door", "n": 3})

    (line,) = lines(log_file)
    assert str(line.pop("at")).endswith("+00:00")
    assert line == {
        "level": "warning",
        "process": "gateway",
        "text": "Station 331002-0001 门",
        "logger": "gateway.x",
        "action": "door",
        "n": 3,
    }
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600


def test_tracebacks_are_for_the_file_and_not_for_the_terminal(log_file: Path) -> None:
    try:
        raise ValueError("seven")
    except ValueError:
        logging.getLogger("x").exception("It stumbled.")
        record = logging.makeLogRecord({"msg": "It stumbled.", "levelno": 40, "levelname": "ERROR"})

    assert "ValueError: seven" in str(lines(log_file)[0]["traceback"])
    assert ShortLine("api").format(record).endswith("api      error: It stumbled.")


def test_what_libraries_say_of_every_request_is_left_out(log_file: Path) -> None:
    logging.getLogger("httpx2").info("GET /secret")
    logging.getLogger("sqlalchemy.engine").info("SELECT")

    assert lines(log_file) == []


def test_something_that_is_no_json_does_not_stop_a_line() -> None:
    record = logging.makeLogRecord({"msg": "x", "where": Path("/tmp"), "levelname": "INFO"})

    assert json.loads(JsonLine("x").format(record))["where"] == "/tmp"


def test_a_full_file_is_turned_over_and_the_old_ones_are_few(log_file: Path) -> None:
    (handler,) = [
        h for h in logging.getLogger().handlers if isinstance(h, logging.handlers.RotatingFileHandler)
    ]
    handler.maxBytes = 2_000
    for number in range(200):
        logging.getLogger("x").info("Line %d", number)

    files = sorted(log_file.parent.iterdir())
    assert len(files) == 1 + OLD_FILES
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
