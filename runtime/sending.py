"""The courier's second task, beside notices: readings to InfluxDB, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from courier.channel import Channel
from runtime.installation import Installation
from storage.database import Database

logger = logging.getLogger(__name__)


class Sending:
    """Runs while the process runs; `failed` tells that the process should end and begin again."""

    def __init__(
        self, here: Installation, database: Database, channels: Sequence[Channel], stop: threading.Event
    ) -> None:
        self.failed = False
        self._stop = stop
        self._here = here
        self._database = database
        self._channels = channels
        self._thread = threading.Thread(target=self._run, name="series", daemon=True)

    def start(self) -> None:
        """Begin, where readings go to InfluxDB."""
        if self._here.settings.series == "influx":
            self._thread.start()

    def join(self, within_s: float) -> None:
        """Wait until it has put down what it holds."""
        if self._thread.ident is not None:
            self._thread.join(within_s)

    def _run(self) -> None:
        from courier.hub_words import HubWords
        from courier.series_sender import SenderOptions, SeriesSender
        from storage.influx import Influx

        settings = self._here.settings
        influx = Influx(self._here.influx_at())
        sender = SeriesSender(
            self._database,
            influx,
            self._here.clock,
            SenderOptions(settings.retention_days, settings.outbox_max_mb * 1_000_000),
            HubWords(self._channels, self._here.clock, settings.base_url),
        )
        try:
            sender.run(self._stop)
        except Exception as exc:
            # Without it readings would pile up while everything looks well.
            logger.critical(
                "Sending readings has ended by an error that nobody foresaw (%s: %s)",
                type(exc).__name__,
                exc,
                exc_info=exc,
                extra={"action": "series.crashed"},
            )
            self.failed = True
            self._stop.set()
        finally:
            influx.close()
