"""Gives each part of the hub only the keys that it works with, for parts that must not read each other's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from runtime.influx_token import FILE as INFLUX_TOKEN
from runtime.key_files import ELSEWHERE, BadSecrets, elsewhere, locked, read, write
from runtime.secrets import COMMANDS, COMMANDS_PUBLIC, FOLDER, KEYS, load_secrets
from signing.keys import verify_keys_to_text

REVOCATIONS: Final = "revocations.json"
SHARES: Final[Mapping[str, tuple[str, ...]]] = {
    "broker": (
        *("operator.key", "operator.jwt", "system.jwt", "account.key", REVOCATIONS),
        *("gateway.jwt", "api.jwt", "courier.jwt", COMMANDS_PUBLIC),
    ),
    "gateway": (COMMANDS, "clients.json", "gateway.jwt"),
    "api": ("sessions.json", "api.jwt", INFLUX_TOKEN),
    "courier": (INFLUX_TOKEN,),
    # Pretended stations make their own passwords; locks check commands.
    "sim": ("account.key", REVOCATIONS, COMMANDS_PUBLIC),
}
"""The files of each part. Only the gateway can sign what a lock obeys, only the API a session."""
_MADE_LATER: Final = frozenset({INFLUX_TOKEN})


def share_out(var_dir: Path, into: Path) -> None:
    """Bring `into/PART/keys` of every part up to date; each may then serve as `keys` of that part's var_dir.

    Revocations are written where the broker is, so the broker's are the newer ones and come back first.
    Raises BadSecrets when a file is missing here, damaged, or cannot be written there.
    """
    own = load_secrets(var_dir).folder
    if others := elsewhere(own):
        raise BadSecrets(f"{own} is only a share, without {', '.join(sorted(others))}: share the whole out.")
    try:
        revoked = into / "broker" / FOLDER / REVOCATIONS
        if revoked.exists():
            with locked(own):
                write(own / REVOCATIONS, read(revoked))
        with locked(own):
            write(own / COMMANDS_PUBLIC, verify_keys_to_text(load_secrets(var_dir).commands.verify_keys()))
        for part, names in SHARES.items():
            _share(own, into / part / FOLDER, names)
    except OSError as exc:
        raise BadSecrets(f"The keys cannot be shared out to {into}: {exc.strerror}.") from exc


def _share(own: Path, folder: Path, names: tuple[str, ...]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # First, so that a share which is not complete yet never looks like the keys of a whole hub.
    others = (KEYS | {COMMANDS_PUBLIC}).difference(names)
    write(folder / ELSEWHERE, "".join(f"{name}\n" for name in sorted(others)))
    for name in names:
        if name not in _MADE_LATER or (own / name).exists():
            write(folder / name, read(own / name))
    for path in folder.iterdir():
        if path.name not in (*names, ELSEWHERE):
            path.unlink()
