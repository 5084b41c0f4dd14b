"""Every query of the dashboards and alarms, asked of a real Prometheus that reads a real hub."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from runtime.settings import TREE
from tests import influx as influx_server
from tests.e2e.running import Running, command, new_settings, running
from tests.influx import InfluxServer
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

FOLDER = TREE / "deploy" / "grafana" / "dashboards"
SHIPPED = TREE / "deploy" / "prometheus"
OURS = re.compile(r"\b(waystation_\w+|up)\b(?=[{)\[ ]|$)")


class Query(NamedTuple):
    """One question of a panel."""

    board: str
    panel: str
    text: str


def queries() -> list[Query]:
    return [
        Query(path.stem, panel["title"], target["expr"])
        for path in sorted(FOLDER.glob("*.json"))
        for panel in json.loads(path.read_text("utf-8"))["panels"]
        for target in panel["targets"]
    ]


class Prometheus:
    """Debian's Prometheus on a port of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer; a warning is a failure, too."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        assert not told.get("warnings"), told
        return told["data"]

    def now(self, text: str) -> list[Any]:
        """What a query finds at this moment."""
        result: list[Any] = self.ask("query", query=text)["result"]
        return result


@contextlib.contextmanager
def reading(hub: Running, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with the shipped configuration, but for addresses and pace."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian's package prometheus)")
    made = command(
        hub.settings, "token", "create", "--name", "prometheus", "--scope", "alerts:read", "--area", ""
    )
    assert made.returncode == 0, made.stderr
    (folder / "token").write_text(made.stdout.splitlines()[0], encoding="utf-8")
    settings = yaml.safe_load((SHIPPED / "prometheus.yml").read_text("utf-8"))
    settings["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    settings["scrape_configs"] = [
        one for one in settings["scrape_configs"] if one["job_name"] == "waystation"
    ]
    (job,) = settings["scrape_configs"]
    job["authorization"]["credentials_file"] = str(folder / "token")
    job["static_configs"] = [{"targets": [f"127.0.0.1:{hub.settings['WAYSTATION_API_PORT']}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    shutil.copy(SHIPPED / "rules.yml", folder)
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    found = Prometheus(f"http://127.0.0.1:{port}")

    def reads() -> bool:
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        with contextlib.suppress(OSError):
            return bool(found.now('up{job="waystation"} == 1'))
        return False

    try:
        eventually(reads, 30, every_s=0.2, saying="Prometheus reads the API")
        yield found
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A hub with its readings in InfluxDB, where a door was opened and a message not understood."""
    program = influx_server.program()
    if program is None:
        pytest.skip("no influxd: build one with .ci/influxd.sh")
    folder = tmp_path_factory.mktemp("hub")
    server = InfluxServer(program)
    try:
        server.start()
        at = server.at("readings")
        settings = {
            **new_settings(folder / "var", stations=4),
            "WAYSTATION_SERIES": "influx",
            "WAYSTATION_INFLUX_URL": at.url,
            "WAYSTATION_INFLUX_ORG": at.org,
            "WAYSTATION_INFLUX_BUCKET": at.bucket,
            "WAYSTATION_INFLUX_TOKEN": at.token,
        }
        made = command(settings, "db", "init")
        assert made.returncode == 0, made.stderr
        with running(settings, folder) as started:
            _be_used(started)
            yield started
    finally:
        server.remove()


def _be_used(hub: Running) -> None:
    door = hub.find(r"/api/v1/doors/(\w+)/unlock")
    token = hub.find(r"Authorization: (Bearer ws_[\w-]+)")

    def asked() -> bool:
        key = f"test-{os.urandom(8).hex()}"
        path = f"/api/v1/doors/{door}/unlock"
        return hub.ask("POST", path, Authorization=token, Idempotency_Key=key).status == 202

    eventually(asked, 20, every_s=0.5, saying="the door takes the request")
    topic = "ws/331002/331002-0001/bulk/swap_cabinet/1/telemetry"
    assert command(hub.settings, "station", "say", topic, "not json").returncode == 0


@pytest.fixture(scope="module")
def prometheus(hub: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with reading(hub, tmp_path_factory.mktemp("prometheus")) as started:
        # One more request, so that there is something to see growing.
        _be_used(hub)
        yield started


@pytest.fixture(scope="module")
def known(hub: Running, prometheus: Prometheus) -> set[str]:
    """The names that the API explains, as Prometheus stores them."""
    text = hub.ask("GET", "/metrics").body.decode()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + part for name, type_ in types.items() for part in parts.get(type_, ("",))} | {"up"}


def test_each_of_the_four_dashboards_asks_something() -> None:
    assert {query.board for query in queries()} == {"fleet", "ingest", "alerts", "doors"}
    assert len(queries()) > 30


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.board}: {query.panel}")
def test_a_panel_shows_something_and_names_only_what_exists(
    prometheus: Prometheus, known: set[str], query: Query
) -> None:
    names = set(OURS.findall(query.text))

    assert names, query.text
    assert names <= known
    assert eventually(lambda: prometheus.now(query.text), 40, every_s=0.5, saying=query.text)


def test_the_configuration_and_the_alarms_are_what_prometheus_expects(tmp_path: Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("Prometheus is not installed (Debian's package prometheus)")
    shutil.copy(SHIPPED / "rules.yml", tmp_path)
    text = (SHIPPED / "prometheus.yml").read_text("utf-8")
    (tmp_path / "token").touch()
    text = text.replace("/var/waystation-scrape/token", str(tmp_path / "token"))
    (tmp_path / "prometheus.yml").write_text(text, encoding="utf-8")

    checked = subprocess.run(
        [tool, "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_alarm_is_broken_and_none_rings_while_all_is_well(prometheus: Prometheus, known: set[str]) -> None:
    def judged() -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = prometheus.ask("rules")["groups"][0]["rules"]
        assert all(rule["health"] == "ok" for rule in rules), rules
        return rules

    rules = eventually(judged, 20, every_s=0.5, saying="every alarm was judged")
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []
    for rule in rules:
        assert set(OURS.findall(rule["query"])) <= known


def test_without_the_token_prometheus_would_read_nothing_from_elsewhere(hub: Running) -> None:
    answer = hub.ask("GET", "/metrics", X_Forwarded_For="192.0.2.1")

    assert answer.status == 401
