"""The way to InfluxDB: synchronous writes and questions, and what its refusals mean."""

from __future__ import annotations

import io
import ipaddress
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from influxdb_client import InfluxDBClient, QueryApi, WriteService
from influxdb_client.rest import ApiException

from domain.errors import StorageUnavailable, WaystationError
from storage.influx_answer import Row, rows
from storage.influx_at import InfluxAt as InfluxAt

CONNECT_S: Final = 2.0
READ_S: Final = 4.0
"""Shorter than what PostgreSQL allows a transaction to be idle: somebody's may be open meanwhile."""
WRITE_S: Final = 10.0
_COME_BACK: Final = frozenset({408, 425, 429})
_SAID: Final = 400

Param = str | int | float | bool | datetime | timedelta


class InfluxAway(StorageUnavailable):
    """InfluxDB does not answer, or cannot take anything at the moment."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InfluxLocked(StorageUnavailable):
    """InfluxDB answers, but knows neither our token, organisation or bucket: somebody must set it right."""


class PointsRefused(WaystationError):
    """InfluxDB will not take something of what was sent; `status` and its own words say why."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"InfluxDB answered {status}: {said}")
        self.status = status
        self.said = said


class TooMuchAtOnce(PointsRefused):
    """The body of a write was too long for InfluxDB or for what stands before it."""


class Influx:
    """One connection pool; nothing is connected before the first question. Safe to share between threads."""

    def __init__(self, at: InfluxAt, *, read_s: float = READ_S, write_s: float = WRITE_S) -> None:
        self.at: Final = at
        self.client = InfluxDBClient(
            at.url,
            at.token,
            org=at.org,
            timeout=_timeout(read_s),
            enable_gzip=not _is_near(at.url),
            retries=False,
        )
        self._write_timeout = _timeout(write_s)
        self._writes = WriteService(self.client.api_client)
        self._queries = QueryApi(self.client)

    def write(self, body: bytes) -> None:
        """Write points in line protocol; returns when InfluxDB has them.

        Raises InfluxAway, InfluxLocked, TooMuchAtOnce or PointsRefused; after the last one some of the
        points may be written.
        """
        try:
            self._writes.post_write(
                org=self.at.org,
                bucket=self.at.bucket,
                body=body,
                precision="ns",
                content_type="text/plain; charset=utf-8",
                _request_timeout=self._write_timeout,
            )
        except ApiException as error:
            raise explained(error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise InfluxAway(f"InfluxDB does not answer ({type(error).__name__}).") from None

    def ask(self, flux: str, params: Mapping[str, Param]) -> Iterator[Row]:
        """The rows of a Flux query. `params` are names in the query; they travel as values, not as text.

        Raises InfluxAway, InfluxLocked, StorageUnavailable, and PointsRefused for a query that is wrong.
        """
        try:
            response = self._queries.query_raw(flux, org=self.at.org, params=dict(params))
            # The text reader looks once more after the end.
            response.auto_close = False
            try:
                yield from rows(io.TextIOWrapper(response, encoding="utf-8", newline=""))
            finally:
                response.release_conn()
        except ApiException as error:
            raise explained(error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise InfluxAway(f"InfluxDB does not answer ({type(error).__name__}).") from None

    def close(self) -> None:
        """Let go of connections; the object can be used again."""
        self.client.api_client.rest_client.pool_manager.clear()


def explained(error: ApiException) -> WaystationError:
    """What an answer that is not 2xx means for whoever asked."""
    status = int(error.status or 0)
    said = _said(error.body)
    if status in (401, 403):
        return InfluxLocked(
            f"InfluxDB refuses the token ({status}: {said}): set WAYSTATION_INFLUX_TOKEN to one that may "
            "read and write the bucket, or run `./waystation db init` where InfluxDB is new."
        )
    if status == 404:
        return InfluxLocked(
            f"InfluxDB knows no such organisation or bucket ({said}): run `./waystation db init`, "
            "or see WAYSTATION_INFLUX_ORG and WAYSTATION_INFLUX_BUCKET."
        )
    if status == 413:
        return TooMuchAtOnce(status, said)
    if status >= 500 or status < 400 or status in _COME_BACK:
        return InfluxAway(f"InfluxDB answered {status}: {said}.", _retry_after_s(error))
    return PointsRefused(status, said)


def _said(body: Any) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        found = json.loads(text)
        text = str(found.get("message") or found.get("error") or text) if isinstance(found, dict) else text
    except ValueError:
        pass
    text = " ".join(text.split())
    return text[:_SAID] or "no reason given"


def _retry_after_s(error: ApiException) -> float:
    headers: Mapping[str, str] = error.headers or {}
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() and text.isascii() and len(text) < 6 else 0.0


def _timeout(read_s: float) -> tuple[float, float]:
    """As the client wants it: milliseconds to connect, and between two answers."""
    return (CONNECT_S * 1000, read_s * 1000)


def _is_near(url: str) -> bool:
    """True on this machine, where packing costs more than it saves."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
