"""Log lines are JSON in a file that only its owner reads, and short in the terminal."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.logs import JsonLine, ShortLine, start_logging
from runtime.settings import TREE, Settings


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    file = start_logging("gateway", Settings(var_dir=tmp_path, log_file_mb=1, log_old_files=2))
    assert file is not None
    yield file
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
    for number in range(600):
        logging.getLogger("x").info("Line %d %s", number, "x" * 10_000)

    files = sorted(log_file.parent.iterdir())
    assert [file.name for file in files] == ["gateway.log", "gateway.log.1", "gateway.log.2"]
    assert all(file.stat().st_size <= 1_000_000 for file in files), "6 MB were said, and 3 are kept at most"
    assert "Line 599" in str(lines(log_file)[-1]["text"])
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


SAYS = (
    "import logging, sys; from pathlib import Path; from runtime.logs import start_logging; "
    "from runtime.settings import Settings; "
    "start_logging('gateway', Settings(var_dir=Path(sys.argv[1]), log_file_mb=int(sys.argv[2]))); "
    "logging.getLogger('x').warning('It is\\nfull.', extra={'action': 'disk_full'}); "
    "logging.getLogger('x').error('Ended.', exc_info=ValueError('seven'), extra={'file_only': True})"
)


def said_to_the_journal(tmp_path: Path, megabytes: int) -> str:
    """What a process says on an error output that systemd calls its journal."""
    journal = tmp_path / "journal"
    with journal.open("wb") as stream:
        found = os.fstat(stream.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        arguments = [sys.executable, "-c", SAYS, str(tmp_path), str(megabytes)]
        subprocess.run(arguments, cwd=TREE, env=environment, stderr=stream, check=True)
    return journal.read_text(encoding="utf-8")


def test_the_journal_gets_the_level_and_no_second_time(tmp_path: Path) -> None:
    assert said_to_the_journal(tmp_path, 1) == "<4>It is full. [disk_full]\n"
    assert len(lines(tmp_path / "log" / "gateway.log")) == 2


def test_without_files_the_journal_has_everything(tmp_path: Path) -> None:
    assert said_to_the_journal(tmp_path, 0) == "<4>It is full. [disk_full]\n<3>Ended.\n<3>ValueError: seven\n"
    assert not (tmp_path / "log").exists()
