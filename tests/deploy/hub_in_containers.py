"""The shipped compose file, started under a name, with secrets and on ports of its own."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from runtime.settings import TREE
from tests.deploy.compose_file import why_no_compose
from tests.ports import free_port
from tests.waiting import eventually

WITHOUT_GRAFANA = TREE / ".ci" / "compose.stand-ins.yml"
HOW = "start an engine and make the images with .ci/docker"


@functools.cache
def images() -> dict[str, str]:
    """What each service runs on."""
    services = yaml.safe_load((TREE / "docker-compose.yml").read_text("utf-8"))["services"]
    return {name: str(service["image"]) for name, service in services.items()}


def has_image(image: str) -> bool:
    """True when the engine need not pull it."""
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0


def why_not() -> str:
    """Why no containers can be started here; empty when they can. Nothing is pulled from a registry."""
    if why_no_compose():
        return why_no_compose()
    if subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        return f"no Docker engine answers: {HOW}"
    missing = [one for name, one in images().items() if name != "grafana" and not has_image(one)]
    return f"images are missing ({', '.join(sorted(set(missing)))}): {HOW}" if missing else ""


class HubInContainers:
    """One project of Compose. Grafana stays out where its image is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "deploy" / "secrets"
        self.project = f"waystation-test-{secrets.token_hex(4)}"
        self.https_port, self.mqtt_port, self.grafana_port = free_port(), free_port(), free_port()
        self.url = f"https://localhost:{self.https_port}"
        files = [TREE / "docker-compose.yml"]
        if not has_image(images()["grafana"]):
            files.append(WITHOUT_GRAFANA)
        self._command = ["docker", "compose", "-p", self.project, "--project-directory", str(TREE)]
        self._command += ["--env-file", str(folder / ".env")]
        self._command += [word for file in files for word in ("-f", str(file))]

    def make_secrets(self) -> None:
        """As a newcomer does it, but in a folder of its own."""
        (self.folder / "deploy").mkdir()
        program = shutil.copy(TREE / "deploy" / "make-secrets", self.folder / "deploy")
        subprocess.run([program], check=True, capture_output=True)

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusts the authority that was made, and nobody else."""
        return ssl.create_default_context(cafile=str(self.secrets / "ca.pem"))

    def compose(self, *words: str, timeout_s: float = 300) -> str:
        """What Compose says."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        ended = subprocess.run(
            [*self._command, *words],
            env=kept | self._mine(), capture_output=True, text=True, timeout=timeout_s,
        )  # fmt: skip
        assert ended.returncode == 0, f"{' '.join(words)}: {ended.stdout[-2000:]}{ended.stderr[-4000:]}"
        return ended.stdout

    def _mine(self) -> dict[str, str]:
        return {
            "HUB_SECRETS": str(self.secrets),
            "HUB_HTTPS_PORT": str(self.https_port),
            "HUB_MQTT_PORT": str(self.mqtt_port),
            "HUB_GRAFANA_PORT": str(self.grafana_port),
            "HUB_STATIONS": "6",
            "DOCKER_BUILDKIT": "0",
        }

    def waystation(self, *words: str, part: str = "broker") -> str:
        """A command of the hub, said where a part of it runs: with the keys of that part."""
        return self.compose("exec", "-T", part, "./waystation", *words)

    def try_out(self, part: str, *words: str) -> tuple[int, str]:
        """How a command in a container ends, and all that it says."""
        ended = subprocess.run(
            [*self._command, "exec", "-T", part, *words],
            env=os.environ | self._mine(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return ended.returncode, ended.stdout + ended.stderr

    def containers(self) -> list[dict[str, Any]]:
        """Everything that the engine knows of each container, also of those that have ended."""
        ids = self.compose("ps", "-aq").split()
        said = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True)
        found: list[dict[str, Any]] = json.loads(said.stdout)
        return found

    def state(self, service: str) -> dict[str, Any]:
        """How the container of a service is."""
        (found,) = [one for one in self.containers() if service_of(one) == service]
        state: dict[str, Any] = found["State"] | {"RestartCount": found["RestartCount"]}
        return state

    def all_well(self) -> bool:
        """True when every container is healthy, and the preparation has ended well."""
        for one in self.containers():
            state = one["State"]
            if service_of(one) == "prepare":
                assert state["Status"] != "exited" or state["ExitCode"] == 0, self.compose("logs", "prepare")
            elif state.get("Health", {}).get("Status") != "healthy":
                return False
        return True

    def client(self) -> httpx2.Client:
        """A browser's way in: through the proxy, with its certificate checked."""
        return httpx2.Client(base_url=self.url, verify=self.tls, timeout=20)


def service_of(container: dict[str, Any]) -> str:
    """Which service a container is of."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


@contextlib.contextmanager
def in_containers(folder: Path) -> Iterator[HubInContainers]:
    """A hub that is up and well; nothing of it is left afterwards."""
    if why_not():
        pytest.skip(why_not())
    hub = HubInContainers(folder)
    hub.make_secrets()
    try:
        hub.compose("up", "-d", "--no-build", timeout_s=300)
        eventually(hub.all_well, 180, every_s=1, saying="every container is healthy")
        again = [service_of(one) for one in hub.containers() if one["RestartCount"]]
        assert again == [], "no container had to be started twice"
        yield hub
    finally:
        hub.compose("down", "-v", "--remove-orphans", "-t", "20")
