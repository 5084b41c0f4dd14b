"""Lets `python -m runtime` be the command line."""

from __future__ import annotations

from runtime.cli import app

if __name__ == "__main__":
    app(prog_name="waystation")
