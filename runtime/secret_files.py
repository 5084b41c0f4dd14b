"""Secret settings that come as files, as containers hand them in, instead of standing in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domain.errors import BadSettings

SUFFIX = "_FILE"
LONGEST_BYTES = 64 * 1024
SECRETS = ("WAYSTATION_DATABASE_URL", "WAYSTATION_INFLUX_TOKEN", "WAYSTATION_WEBHOOK_SECRET")


def with_secrets_read(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with each `NAME_FILE` replaced by NAME and the line that its file holds.

    Raises BadSettings when a file cannot be read or is empty, or when both names are set.
    """
    found = dict(environ)
    for name in SECRETS:
        path = found.pop(name + SUFFIX, "")
        if not path:
            continue
        if found.get(name):
            raise BadSettings(f"{name} and {name}{SUFFIX} are both set: leave one of them out.")
        found[name] = _read(name, Path(path))
    return found


def _read(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_BYTES + 1).decode("utf-8").rstrip("\r\n")
    except OSError as exc:
        raise BadSettings(f"{name}{SUFFIX} is {path}, which cannot be read: {exc.strerror}.") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{name}{SUFFIX} is {path}, which holds no text.") from None
    if not text or len(text) > LONGEST_BYTES or "\n" in text:
        raise BadSettings(f"{name}{SUFFIX} is {path}, which must hold one line of text.")
    return text
