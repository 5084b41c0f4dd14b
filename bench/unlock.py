"""How long a door waits for the hub: alone, in a province's traffic, while a backlog drains."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bench.hall import Hall, furnish, open_hall, publisher_password
from bench.locks import ADCODE, Locks, Moments
from bench.mix import messages, province
from bench.preload import preload
from domain.ids import DeviceId, edge_box
from runtime.broker import Broker
from runtime.clock import WallClock
from storage import registry, shards, stations, tokens
from tests.ports import free_port

RATE_PER_S = 1_200
GOALS_MS = {"traffic": 50.0, "backlog": 300.0}


def main() -> None:
    """Print one line a phase; the last line is JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--openings", type=int, default=50, help="in each phase")
    asked.add_argument("--stations", type=int, default=3_000, help="that make the traffic")
    asked.add_argument("--backlog", type=int, default=100_000)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    var, url = folder / "var", f"sqlite:///{folder}/hub.sqlite3"
    plans = province(options.stations)
    doors = [f"{ADCODE}-D{n:04d}" for n in range(3 * options.openings)]
    furnish(url, plans)
    mqtt_port, nats_port, api_port = free_port(), free_port(), free_port()
    hall = open_hall(var, url, mqtt_port)
    keys = _add_doors(hall, doors)
    traffic = list(messages(plans, options.stations + RATE_PER_S * 60, WallClock().now_ms() - 60_000))
    environ = {
        **os.environ, "WAYSTATION_VAR_DIR": str(var), "WAYSTATION_DATABASE_URL": url,
        "WAYSTATION_MQTT_PORT": str(mqtt_port), "WAYSTATION_NATS_PORT": str(nats_port),
        "WAYSTATION_API_PORT": str(api_port), "WAYSTATION_LOG_LEVEL": "warning",
    }  # fmt: skip
    broker = Broker(var, mqtt_port, nats_port, secrets=hall.secrets)
    broker.start()
    publisher = publisher_password(hall.secrets)
    locks = Locks(mqtt_port, publisher, doors)
    figures: dict[str, dict[str, float]] = {}
    base = f"http://127.0.0.1:{api_port}"
    try:
        with _process("gateway", environ) as gateway, _process("api", environ):
            _until_ready(base)
            locks.start()
            locks.report()
            time.sleep(2)
            preload(mqtt_port, publisher, traffic[: options.stations])
            phases = [doors[n::3] for n in range(3)]
            figures["alone"] = _phase("alone", base, keys, locks, phases[0])
            ended = threading.Event()
            paced = threading.Thread(
                target=_traffic, args=(mqtt_port, publisher, traffic[options.stations :], ended)
            )
            paced.start()
            time.sleep(2)
            figures["traffic"] = _phase(f"{RATE_PER_S} messages/s", base, keys, locks, phases[1])
            ended.set()
            paced.join()
            gateway.send_signal(signal.SIGINT)
            gateway.wait(20)
            late = messages(plans, options.backlog, WallClock().now_ms() - 60_000, seed=2)
            preload(mqtt_port, publisher, late)
            with _process("gateway", environ):
                _until_beating(hall)
                # Doors that were known before are still known: nobody has to report first.
                figures["backlog"] = _phase("while a backlog drains", base, keys, locks, phases[2])
                with hall.database.read() as connection:
                    worker = shards.worker(connection, 0)
                figures["backlog"]["drained_before_the_end"] = float(
                    worker is not None and worker.bulk_since_ms is not None
                )
    finally:
        locks.stop()
        broker.stop()
        hall.database.close()
    for name, goal_ms in GOALS_MS.items():
        verdict = "met" if figures[name]["p95_ms"] <= goal_ms else "NOT met"
        print(f"{name}: p95 {figures[name]['p95_ms']:.0f} ms, goal {goal_ms:.0f} ms {verdict}")
    print(json.dumps({"bench": "unlock", "openings": options.openings, **figures}))


def _add_doors(hall: Hall, doors: list[str]) -> dict[str, tuple[str, str]]:
    now_ms = WallClock().now_ms()
    with hall.database.write() as connection:
        stations.put_stations(
            connection,
            [stations.Station(d, ADCODE, ADCODE, "001", f"门 {d}", hours="24/7", capacity=8) for d in doors],
        )
        registry.put_devices(
            connection, [registry.Device(DeviceId(d, "door_lock", 1), edge_box(d)) for d in doors]
        )
        codes = {d: secrets.token_hex(8) for d in doors}
        registry.put_doors(connection, [registry.Door(codes[d], d, 1, now_ms) for d in doors])
        made = {
            d: tokens.create(connection, name=f"bench {d}", scopes=["door:open"], area=ADCODE, now_ms=now_ms)[
                1
            ]
            for d in doors
        }
    return {d: (codes[d], made[d]) for d in doors}


def _phase(
    label: str, base: str, keys: dict[str, tuple[str, str]], locks: Locks, doors: list[str]
) -> dict[str, float]:
    hub_ms: list[float] = []
    first_ms: list[float] = []
    posted_ms: list[float] = []
    answer_ms: list[float] = []
    failed = 0
    with httpx2.Client(base_url=base, timeout=20) as client:
        for station in doors:
            code, token = keys[station]
            locks.moments[station] = moments = Moments()
            tapped = time.perf_counter()
            state = _open(client, code, token, moments)
            if state != "done" or not moments.signed:
                failed += 1
                continue
            first_ms.append((moments.asked - tapped) * 1000)
            posted_ms.append((moments.posted - tapped) * 1000)
            hub_ms.append(((moments.asked - tapped) + (moments.signed - moments.nonce)) * 1000)
            answer_ms.append((moments.told - moments.done) * 1000)
    figures = {
        "p50_ms": _rank(hub_ms, 0.5), "p95_ms": _rank(hub_ms, 0.95), "max_ms": _rank(hub_ms, 1.0),
        "answer_p50_ms": _rank(answer_ms, 0.5), "answer_p95_ms": _rank(answer_ms, 0.95),
        "posted_p95_ms": _rank(posted_ms, 0.95), "asked_p95_ms": _rank(first_ms, 0.95),
        "opened": float(len(hub_ms)), "failed": float(failed),
    }  # fmt: skip
    print(
        f"{label}: {len(hub_ms)} opened, {failed} failed · request → signed p50 {figures['p50_ms']:.0f}, "
        f"p95 {figures['p95_ms']:.0f}, max {figures['max_ms']:.0f} ms · reply → answer p50 "
        f"{figures['answer_p50_ms']:.0f}, p95 {figures['answer_p95_ms']:.0f} ms",
        flush=True,
    )
    return {name: round(value, 1) for name, value in figures.items()}


def _open(client: httpx2.Client, code: str, token: str, moments: Moments) -> str:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": secrets.token_hex(16)}
    asked = client.post(f"/api/v1/doors/{code}/unlock", headers=headers)
    moments.posted = time.perf_counter()
    if asked.status_code != 202:
        return f"{asked.status_code} {asked.text[:200]}"
    with client.stream("GET", asked.json()["stream"], headers=headers) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                state = str(json.loads(line[5:]).get("state"))
                if state in ("done", "rejected", "no_answer", "expired", "failed"):
                    moments.told = time.perf_counter()
                    return state
    return "cut"


def _traffic(port: int, password: str, said: list[tuple[str, bytes]], ended: threading.Event) -> None:
    def paced() -> Iterator[tuple[str, bytes]]:
        began_s = time.perf_counter()
        for number, message in enumerate(said):
            if ended.is_set():
                return
            ahead_s = number / RATE_PER_S - (time.perf_counter() - began_s)
            if ahead_s > 0.02:
                time.sleep(ahead_s)
            yield message

    preload(port, password, paced(), at_once=24)


@contextmanager
def _process(name: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "runtime", name], env=environ, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _until_ready(base: str) -> None:
    deadline_s = time.perf_counter() + 60
    while time.perf_counter() < deadline_s:
        try:
            if httpx2.get(f"{base}/readyz").json().get("hub"):
                return
        except (httpx2.HTTPError, ValueError):
            pass
        time.sleep(0.1)
    raise SystemExit("the hub was not ready within 60 s")


def _until_beating(hall: Hall) -> None:
    deadline_s = time.perf_counter() + 60
    while time.perf_counter() < deadline_s:
        with hall.database.read() as connection:
            worker = shards.worker(connection, 0)
        if worker is not None and WallClock().now_ms() - worker.seen_ms < 1_500:
            return
        time.sleep(0.05)
    raise SystemExit("the gateway did not come back within 60 s")


def _rank(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


if __name__ == "__main__":
    main()
