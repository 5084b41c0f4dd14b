"""Where log lines go: JSON into a file of each process, short sentences to the terminal."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from runtime.settings import Settings

FOLDER = "log"
FILE_BYTES = 10 << 20
OLD_FILES = 3
# They tell about each request or statement; what matters of it, our own lines say.
_CHATTY = (
    "alembic",
    "asyncio",
    "httpcore2",
    "httpx2",
    "paho",
    "sqlalchemy",
    "uvicorn.access",
    "uvicorn.error",
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
    "file_only",
}


class JsonLine(logging.Formatter):
    """One object a line: when, how grave, which process, the sentence, and whatever came as `extra`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "process": self._process}
        said |= {"text": record.getMessage(), "logger": record.name}
        said |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


class ShortLine(logging.Formatter):
    """Time, process and sentence; tracebacks stay in the file."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        grave = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{at}  {self._process:<8} {grave}{record.getMessage()}"


class _OwnerOnly(RotatingFileHandler):
    def _open(self) -> Any:
        return open(self.baseFilename, self.mode, encoding="utf-8", opener=_private)


def start_logging(process: str, settings: Settings) -> Path:
    """Send this process's log lines to its file and to the terminal; return the file.

    Raises OSError when the file cannot be written.
    """
    folder = settings.var_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{process}.log"
    file = _OwnerOnly(path, maxBytes=FILE_BYTES, backupCount=OLD_FILES)
    file.setFormatter(JsonLine(process))
    terminal = logging.StreamHandler()
    terminal.setFormatter(JsonLine(process) if settings.log_format == "json" else ShortLine(process))
    terminal.addFilter(lambda record: not getattr(record, "file_only", False))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(file)
    root.addHandler(terminal)
    root.setLevel(settings.log_level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A full disk or a closed terminal must not end a process that still can do its work.
    logging.raiseExceptions = False
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
