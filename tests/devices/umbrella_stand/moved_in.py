"""A pytest plugin for a fresh process: the two files stand where all kinds stand."""

from __future__ import annotations

from pathlib import Path

import device_sim
import devices

HERE = Path(__file__).resolve().parent
devices.__path__.append(str(HERE / "devices"))
device_sim.__path__.append(str(HERE / "device_sim"))
