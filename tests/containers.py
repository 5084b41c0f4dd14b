"""Services for tests in containers, where neither an address nor a binary is at hand."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import eventually

POSTGRESQL = "postgres:17-bookworm"
INFLUXDB = "influxdb:2.7"
MOSQUITTO = "eclipse-mosquitto:2"
ONLY = "WAYSTATION_TEST_CONTAINERS"


def only() -> bool:
    """True when WAYSTATION_TEST_CONTAINERS asks for containers even where programs are at hand."""
    return os.environ.get(ONLY, "") not in ("", "0")


def why_none(image: str) -> str:
    """Why no container of this image can be started; empty when it can. Nothing is pulled unasked."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True).returncode != 0:
        return "no Docker engine answers"
    if subprocess.run([docker, "image", "inspect", image], capture_output=True).returncode != 0:
        return f"the image {image} is missing (docker pull, or .ci/docker)"
    return ""


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL that ends with the block; `why_none` must have been asked."""
    import psycopg

    with _started(
        POSTGRESQL, 5432, POSTGRES_USER="tests", POSTGRES_PASSWORD=(password := secrets.token_hex(16))
    ) as place:
        url = f"postgresql://tests:{password}@{place}/tests"

        def answers() -> bool:
            try:
                psycopg.connect(url, connect_timeout=3).close()
            except psycopg.OperationalError:
                return False
            return True

        eventually(answers, 60, every_s=0.2, saying="PostgreSQL answers in its container")
        yield url


@contextlib.contextmanager
def influxdb() -> Iterator[str]:
    """The address of a new InfluxDB that nobody has set up; `why_none` must have been asked."""
    with _started(INFLUXDB, 8086) as place:
        yield f"http://{place}"


def mosquitto(folder: Path) -> list[str]:
    """The command that runs Mosquitto in a folder; `why_none` must have been asked.

    It shares network and process numbers with this machine, so that tests treat it as any other process.
    """
    return [
        "docker", "run", "--rm", "--network=host", "--pid=host", f"--user={os.getuid()}:{os.getgid()}",
        f"--volume={folder}:{folder}", f"--workdir={folder}", "--entrypoint=mosquitto", MOSQUITTO,
    ]  # fmt: skip


@contextlib.contextmanager
def _started(image: str, port: int, **environment: str) -> Iterator[str]:
    # Its reaper is an image of its own, which is not everywhere; the block ends the container.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image).with_exposed_ports(port)
    for name, value in environment.items():
        container = container.with_env(name, value)
    container.start()
    try:
        yield f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"
    finally:
        container.stop()
