"""docs/operate.md explains every alarm, metric and action of the log, and nothing that is gone."""

from __future__ import annotations

import re

import yaml

from runtime.settings import TREE

PACKAGES = ("api", "courier", "gateway", "runtime", "storage", "transport")
DOCUMENT = (TREE / "docs" / "operate.md").read_text("utf-8")
EXPLAINED = set(re.findall(r"`([A-Za-z_.]+)`", DOCUMENT))
ABOUT_CHANNELS = {"courier.webhook", "courier.database"}
"""Made from a channel's name."""


def sources() -> str:
    files = [path for package in PACKAGES for path in sorted((TREE / package).rglob("*.py"))]
    return "\n".join(path.read_text("utf-8") for path in files)


def test_every_action_of_the_log_is_explained() -> None:
    logged = re.findall(r'extra=\{\s*"action": (f?"[^"]+"(?: if \w+ else "[^"]+")?)', sources())
    actions = {word for said in logged if not said.startswith("f") for word in re.findall(r'"([^"]+)"', said)}
    assert len(actions) > 40
    assert sorted(actions - EXPLAINED) == []
    _, _, told = DOCUMENT.partition("## What the log's actions mean")
    told, _, _ = told.partition("## Backups")
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+|[a-z]+\.[a-z_]+)`", told))
    assert sorted(named - actions - ABOUT_CHANNELS - {"station_offline"}) == []


def test_every_metric_is_explained() -> None:
    metrics = set(re.findall(r'"(waystation_[a-z_]+)"', (TREE / "api" / "metrics.py").read_text("utf-8")))
    assert len(metrics) > 15
    assert metrics == {word for word in EXPLAINED if word.startswith("waystation_")}


def test_every_alarm_is_explained() -> None:
    rules = yaml.safe_load((TREE / "deploy" / "prometheus" / "rules.yml").read_text("utf-8"))
    alarms = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    table = DOCUMENT.partition("| Alarm of Prometheus")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([A-Z][a-z]\w+)`", table)) == alarms
