"""Where log lines go: JSON into a file of each process, sentences to the terminal or the journal."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from runtime.settings import Settings

FOLDER = "log"
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


class JournalLine(logging.Formatter):
    """The sentence behind its level, as systemd's journal reads it; time and process are the journal's."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage().replace("\n", " ")
        action = getattr(record, "action", "")
        return f"<{_priority(record.levelno)}>{text}" + (f" [{action}]" if action else "")


class _WithTraceback(logging.Formatter):
    """Where there is no file, tracebacks follow their line, each of their lines with its level."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        text = self._inner.format(record)
        if not record.exc_info or isinstance(self._inner, JsonLine):
            return text
        mark = f"<{_priority(record.levelno)}>" if isinstance(self._inner, JournalLine) else ""
        lines = self.formatException(record.exc_info).splitlines()
        return "\n".join([text, *(mark + line for line in lines)])


class _OwnerOnly(RotatingFileHandler):
    def _open(self) -> Any:
        return open(self.baseFilename, self.mode, encoding="utf-8", opener=_private)


def start_logging(process: str, settings: Settings) -> Path | None:
    """Send this process's log lines to its file and to the terminal; return the file, None for none.

    Raises OSError when the file cannot be written.
    """
    terminal = logging.StreamHandler()
    terminal.setFormatter(_for_the_terminal(process, settings))
    path = None
    handlers: list[logging.Handler] = [terminal]
    if settings.log_file_mb:
        folder = settings.var_dir / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{process}.log"
        file = _OwnerOnly(path, maxBytes=settings.log_file_mb * 1_000_000, backupCount=settings.log_old_files)
        file.setFormatter(JsonLine(process))
        terminal.addFilter(lambda record: not getattr(record, "file_only", False))
        handlers.append(file)
    else:
        terminal.setFormatter(_WithTraceback(_for_the_terminal(process, settings)))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A full disk or a closed terminal must not end a process that still can do its work.
    logging.raiseExceptions = False
    return path


def _for_the_terminal(process: str, settings: Settings) -> logging.Formatter:
    if settings.log_format == "json":
        return JsonLine(process)
    return JournalLine() if _is_journal(sys.stderr) else ShortLine(process)


def _is_journal(stream: TextIO) -> bool:
    """True when systemd says that this very stream ends in its journal."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _priority(level: int) -> int:
    """syslog's number for a level: 2 critical, 3 error, 4 warning, 6 information, 7 details."""
    steps = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((number for reached, number in steps if level >= reached), 7)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
