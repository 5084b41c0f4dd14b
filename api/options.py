"""What can be chosen about this API process; made from the settings by the composition root."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """`base_url`: where people reach the hub, without a slash at the end; https there makes cookies
    demand https. The other values suit one process on a small machine."""

    base_url: str
    live_clients: int = 2000
    live_clients_per_address: int = 200
    live_queue: int = 256
    poll_s: float = 2.0
    hints_apart_s: float = 0.25
    beat_s: float = 5.0
    write_within_s: float = 2.0
    snapshot_within_s: float = 8.0
    max_body_bytes: int = 512 * 1024
    session_s: int = 12 * 3600
    hub_silent_ms: int = 3_000
    sign_ins_per_minute: int = 10
    unlocks_per_minute: int = 20
    shard: int = 0
    outbox_max_bytes: int = 20_000_000_000

    @property
    def secure(self) -> bool:
        """True when browsers reach the hub by https."""
        return self.base_url.startswith("https://")
