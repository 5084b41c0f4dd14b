"""docker-compose.yml as Compose itself understands it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import TREE


@cache
def why_no_compose() -> str:
    """Why `docker compose` cannot be asked; empty when it can. No engine is needed to read a file."""
    if shutil.which("docker") is None:
        return "the program docker is not installed"
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True)
    return "" if asked.returncode == 0 else "docker has no compose (docker-compose-plugin is not installed)"


def compose(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask Compose about the shipped file, with these settings and no .env."""
    if why_no_compose():
        pytest.skip(why_no_compose())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "COMPOSE_"))}
    return subprocess.run(
        ["docker", "compose", "--env-file", "/dev/null", *words],
        cwd=TREE, env={**kept, **environment}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def understood(secrets: Path) -> dict[str, Any]:
    """The whole file, with every anchor and variable filled in."""
    said = compose("config", "--format", "json", HUB_SECRETS=str(secrets))
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found
