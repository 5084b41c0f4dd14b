"""The hub's own token for InfluxDB, good for its two buckets only: made once, kept among the keys."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Final

from runtime.key_files import damaged, parsed, write
from runtime.secrets import FOLDER
from storage.influx_at import InfluxAt

FILE: Final = "influx.json"


def kept_token(var_dir: Path, at: InfluxAt) -> str | None:
    """The token that was kept for this place; None when there is none.

    One that was made with another token than that of `at`, where it has one, does not count: whoever sets a
    new token means it. Raises BadSecrets when the file is damaged or open to others.
    """
    path = var_dir / FOLDER / FILE
    if not path.exists():
        return None
    said = parsed(path)
    try:
        place = (said["url"], said["org"], said["bucket"])
        made_with, token = str(said["made_with"]), str(said["token"])
    except (KeyError, TypeError):
        raise damaged(path) from None
    if place != (at.url, at.org, at.bucket) or not token:
        return None
    if at.token and not hmac.compare_digest(made_with, _fingerprint(at.token)):
        return None
    return token


def keep_token(var_dir: Path, at: InfluxAt, token: str) -> None:
    """Keep a token that was made at this place with the token of `at`."""
    said = {
        "url": at.url,
        "org": at.org,
        "bucket": at.bucket,
        "made_with": _fingerprint(at.token),
        "token": token,
    }
    write(var_dir / FOLDER / FILE, json.dumps(said, indent=1) + "\n")


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
