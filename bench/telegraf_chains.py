"""Two ways from a broker into InfluxDB: the hub's own, and Telegraf's; each with a broker of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import Final

from bench.hall import furnish, open_hall
from device_sim.station_plan import StationPlan
from domain import topics
from runtime.broker import Broker
from runtime.secrets import Secrets
from storage import sending
from storage.influx_points import ALWAYS, BESIDES
from storage.influx_setup import prepare
from tests.influx import CACHE, InfluxServer
from tests.ports import free_port

TREE: Final = Path(__file__).resolve().parent.parent
SESSION: Final = "bench-telegraf"
FLUSH_S: Final = 1.0
QUIET_S: Final = 1.5
"""Longer than Telegraf holds back what fills no batch."""
QUIET_SHARE: Final = 0.03
"""Of one core: what an InfluxDB without work still takes."""
PATIENCE_S: Final = 300.0


class Hub:
    """Ours: gateway with all rules, courier, InfluxDB."""

    name = "ours"
    counted = " and ".join(f'r._field != "{one}"' for one in BESIDES)
    reading = f'r._field == "{ALWAYS}"'

    def __init__(self, folder: Path, influxd: Path, plans: list[StationPlan], stack: ExitStack) -> None:
        var, url = folder / "var", f"sqlite:///{folder}/var/waystation.sqlite3"
        var.mkdir(parents=True)
        furnish(url, plans)
        self.port = free_port()
        hall = open_hall(var, url, self.port)
        self.secrets, self._database = hall.secrets, hall.database
        stack.callback(hall.database.close)
        _broker(var, self.port, hall.secrets, stack)
        self.server = _influx(folder, influxd, stack)
        self.at = self.server.at("raw", token_hex(16))
        prepare(self.at, 30, 730)
        # The sessions, so that the broker keeps everything from the first message on.
        _ask("bench.drain", str(var), url, str(self.port), "outbox", "0", "0")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("WAYSTATION_")}
        settings = {
            "VAR_DIR": var, "MQTT_PORT": self.port, "SERIES": "influx", "INFLUX_URL": self.at.url,
            "INFLUX_ORG": self.at.org, "INFLUX_BUCKET": self.at.bucket, "INFLUX_TOKEN": self.at.token,
            "LOG_LEVEL": "warning",
        }  # fmt: skip
        environ |= {f"WAYSTATION_{name}": str(value) for name, value in settings.items()}
        environ["PYTHONPATH"] = str(TREE)
        self._parts = {
            part: _process(
                [sys.executable, "-P", "-m", "runtime", part], folder / f"{part}.log", stack, environ
            )
            for part in ("gateway", "courier")
        }

    def pids(self) -> Mapping[str, int]:
        return {name: part.pid for name, part in self._parts.items()} | {"influxd": self.server.pid}

    def wait(self, readings: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while self._sent() < readings:
            for name, part in self._parts.items():
                if part.poll() is not None:
                    raise SystemExit(f"the {name} has ended")
            if time.monotonic() > deadline_s:
                raise SystemExit(f"ours: {self._sent():,} of {readings:,} readings arrived")
            time.sleep(0.1)
        wait_until_quiet(self.server.pid)

    def _sent(self) -> int:
        with self._database.read() as connection:
            found = sending.sending(connection)
        return found.messages if found is not None else 0


class Telegraf:
    """Theirs: Telegraf with a persistent session at QoS 1, which confirms what is written, and InfluxDB."""

    name = "theirs"
    _readings = 'r._measurement != "event" and r._measurement != "link"'
    counted = f'{_readings} and r._field != "boot" and r._field != "seq" and r._field !~ /^slots_[0-9]+_n$/'
    reading = f'{_readings} and r._field == "seq"'

    def __init__(self, folder: Path, influxd: Path, telegraf: Path, batch: int, stack: ExitStack) -> None:
        var = folder / "var"
        var.mkdir(parents=True)
        self.port = free_port()
        hall = open_hall(var, f"sqlite:///{folder}/unused.sqlite3", self.port)
        self.secrets = hall.secrets
        _broker(var, self.port, hall.secrets, stack)
        self.server = _influx(folder, influxd, stack)
        self.at = self.server.at("raw", token_hex(16))
        prepare(self.at, 30, 730)
        password = hall.secrets.broker_passwords["gateway"]
        filters = (topics.QUICK_FILTER, topics.BULK_FILTER)
        _ask("bench.bare_subscriber", str(self.port), SESSION, password, ",".join(filters), "0", "0")
        configuration = folder / "telegraf.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(
                batch=batch, port=self.port, password=password, session=SESSION, url=self.at.url,
                token=self.at.token, org=self.at.org, bucket=self.at.bucket, flush=f"{FLUSH_S:.0f}s",
                filters=", ".join(f'"{one}"' for one in filters),
            )
        )  # fmt: skip
        self._process = _process(
            [str(telegraf), "--config", str(configuration), "--non-strict-env-handling"],
            folder / "telegraf.log", stack,
        )  # fmt: skip

    def pids(self) -> Mapping[str, int]:
        return {"telegraf": self._process.pid, "influxd": self.server.pid}

    def wait(self, readings: int) -> None:
        wait_until_quiet(self._process.pid)
        wait_until_quiet(self.server.pid)
        if self._process.poll() is not None:
            raise SystemExit("Telegraf has ended")


CONFIGURATION: Final = """\
[agent]
  interval = "10s"
  flush_interval = "{flush}"
  metric_batch_size = {batch}
  metric_buffer_limit = 200000
  omit_hostname = true

[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{port}"]
  topics = [{filters}]
  username = "gateway"
  password = "{password}"
  client_id = "{session}"
  persistent_session = true
  qos = 1
  max_undelivered_messages = {batch}
  topic_tag = ""
  data_format = "json"
  json_string_fields = ["*"]
  json_time_key = "ts"
  json_time_format = "unix_ms"
  fieldexclude = ["v", "low"]

  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "ws/+/+/bulk/+/+/telemetry"
    measurement = "_/_/_/_/measurement/_/_"
    tags = "_/adcode/station/_/_/device/_"

  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "ws/+/+/quick/+/+/+"
    measurement = "_/_/_/_/_/_/measurement"
    tags = "_/adcode/station/_/kind/device/_"

[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "{token}"
  organization = "{org}"
  bucket = "{bucket}"
  content_encoding = "identity"
"""


def find_telegraf() -> Path | None:
    """Telegraf from the PATH, or from the folder into which .ci/telegraf.sh builds it."""
    found = shutil.which("telegraf")
    return Path(found) if found else max(CACHE.glob("telegraf-v*[0-9]"), default=None)


def cpu_s(pid: int) -> float:
    """What a process has taken so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(pid: int) -> None:
    """Until a process has hardly taken anything for a while."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        before_s = cpu_s(pid)
        time.sleep(QUIET_S)
        if cpu_s(pid) - before_s <= QUIET_SHARE * QUIET_S:
            return
    raise SystemExit("a process does not come to rest")


def _broker(var: Path, port: int, secrets: Secrets, stack: ExitStack) -> None:
    broker = Broker(var, port, free_port(), secrets=secrets)
    broker.start()
    stack.callback(broker.stop)


def _influx(folder: Path, influxd: Path, stack: ExitStack) -> InfluxServer:
    server = InfluxServer(influxd, folder / "influx")
    server.folder.mkdir()
    stack.callback(server.remove)
    server.start()
    return server


def _ask(module: str, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", module, *words], cwd=TREE, check=True, timeout=120, stdout=subprocess.DEVNULL
    )


def _process(
    command: list[str], log: Path, stack: ExitStack, environ: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=TREE, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )

    def end() -> None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)
    return process
