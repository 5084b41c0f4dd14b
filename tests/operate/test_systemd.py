"""The units for systemd: they start what there is, come back, may do little, and the watchdog is fed."""

from __future__ import annotations

import shutil
import socket
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from runtime.settings import TREE, environment_names
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.house import open_house

UNITS = TREE / "deploy" / "systemd"
PARTS = ("broker", "gateway", "api", "courier")
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
MOST_EXPOSED = 2.0
"""Of 10, by systemd's own reckoning; a service without any of these lines has 9.6."""


class _Unit(RawConfigParser):
    """Keeps the last value of a name, and every name as it is written."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
        self.read(UNITS / name, encoding="utf-8")

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture
def units_here(tmp_path: Path) -> Path:
    """The units with this tree in the place of /opt/waystation."""
    for path in UNITS.iterdir():
        text = path.read_text(encoding="utf-8").replace("/opt/waystation", str(TREE))
        tmp_path.joinpath(path.name).write_text(text, encoding="utf-8")
    return tmp_path


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not on this machine")
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def test_systemd_understands_every_line(units_here: Path) -> None:
    checked = systemd_analyze("verify", "--man=no", *(str(path) for path in sorted(units_here.iterdir())))
    ours = [line for line in checked.stderr.splitlines() if str(units_here) in line]
    assert (checked.returncode, ours) == (0, [])


@pytest.mark.parametrize("service", SERVICES)
def test_systemd_finds_little_exposed(units_here: Path, service: str) -> None:
    arguments = ("security", "--offline=true", f"--threshold={round(MOST_EXPOSED * 10)}", "--no-pager")
    checked = systemd_analyze(*arguments, str(units_here / service))
    if "unrecognized option" in checked.stderr:
        pytest.skip("this systemd-analyze cannot look at units that are not installed")
    assert checked.returncode == 0, checked.stdout[-500:] + checked.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_writes_to_its_own_folder_only(service: str) -> None:
    said = _Unit(service)["Service"]
    assert said["User"] == "waystation"
    assert said["NoNewPrivileges"] == said["ProtectHome"] == "yes"
    assert said["ProtectSystem"] == "strict"
    assert said["StateDirectory"] == "waystation"
    settings = [word.partition("=")[0] for word in said["Environment"].split()]
    assert set(settings) <= set(environment_names())
    for name in ("ReadWritePaths", "BindPaths"):
        assert said.get(name, "/var/backups/waystation") == "/var/backups/waystation"


@pytest.mark.parametrize("part", PARTS)
def test_every_part_comes_back_always(part: str) -> None:
    unit = _Unit(f"waystation-{part}.service")
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0", "it is never given up"
    assert unit["Service"]["ExecStart"] == f"/opt/waystation/waystation {part}"
    assert f"waystation-{part}.service" in _Unit("waystation.target")["Unit"]["Wants"]


@pytest.mark.integration
def test_a_gateway_says_that_it_is_ready_and_feeds_the_watchdog(
    tmp_path: Path, migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with open_house(tmp_path / "var", migrated_sqlite_url) as house:
            gateway = GatewayProcess(house)
            gateway.start()
            try:
                assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            finally:
                gateway.kill()
