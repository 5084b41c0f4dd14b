"""Entry point of the gateway's process in tests."""

from __future__ import annotations

import logging
import sys

from domain.errors import ShardLost
from runtime.gateway_process import run_gateway
from runtime.installation import Installation
from runtime.stopping import end_with_parent


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    end_with_parent()
    try:
        run_gateway(Installation.from_environment())
    except ShardLost:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
