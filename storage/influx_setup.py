"""Makes in InfluxDB what readings need: organisation, buckets, the hourly task, and a token."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import urllib3
from influxdb_client import (
    AuthorizationPostRequest,
    AuthorizationsService,
    BucketRetentionRules,
    InfluxDBClient,
    OnboardingRequest,
    Permission,
    PermissionResource,
    SetupService,
    TaskCreateRequest,
)
from influxdb_client.rest import ApiException

from domain.errors import WaystationError
from storage.influx import InfluxAt, InfluxAway, explained

DAY_S: Final = 86_400
TASK: Final = "waystation hourly"
USER: Final = "waystation"
_TIMEOUT_MS: Final = (2_000, 15_000)
"""To connect, and for each answer."""

_HOURLY: Final = """\
import "date"
import "types"

option task = {{name: "{task}", every: 1h, offset: 15m}}

raw = from(bucket: {raw})
    |> range(start: date.truncate(t: -3h, unit: 1h), stop: date.truncate(t: now(), unit: 1h))
    |> filter(fn: (r) => r._field != "boot" and r._field != "seq" and r._field != "received_ms"
        and r._field != "device_ts_ms" and r._field != "extra")
floats = raw |> filter(fn: (r) => types.isType(v: r._value, type: "float"))
whole = raw |> filter(fn: (r) => types.isType(v: r._value, type: "int")) |> toFloat()
truths = raw |> filter(fn: (r) => types.isType(v: r._value, type: "bool")) |> toFloat()
texts = raw |> filter(fn: (r) => types.isType(v: r._value, type: "string"))

hourly = (tables=<-, fn, name) => tables
    |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
    |> map(fn: (r) => ({{r with _field: r._field + name}}))
    |> to(bucket: {hourly}, org: {org})

{pipes}
"""
_PIPES: Final = "\n".join(
    f'{values} |> hourly(fn: {fn}, name: "_{fn}") |> yield(name: "{values}_{fn}")'
    for values, fns in (
        ("floats", ("min", "mean", "max", "last", "count")),
        ("whole", ("min", "mean", "max", "last", "count")),
        ("truths", ("min", "mean", "max", "last", "count")),
        ("texts", ("last", "count")),
    )
    for fn in fns
)


class CannotPrepare(WaystationError):
    """InfluxDB does not let us make what readings need."""


def hourly_bucket(at: InfluxAt) -> str:
    """Where the hourly values go."""
    return f"{at.bucket}_hourly"


def prepare(at: InfluxAt, raw_days: int, hourly_days: int) -> list[str]:
    """Make what is missing and set the retention; returns what was done, nothing the second time.

    A new InfluxDB is set up so that the token of our settings becomes its first, with all rights.
    Raises InfluxAway, InfluxLocked (a token without the right to make these), CannotPrepare.
    """
    with _asking(at) as client:
        return _prepare(client, at, raw_days, hourly_days)


def serves(at: InfluxAt) -> bool:
    """True when InfluxDB shows both buckets to this token; InfluxAway when it does not answer."""
    with _asking(at) as client:
        try:
            return all(_buckets(client, at.org, name) for name in (at.bucket, hourly_bucket(at)))
        except ApiException as error:
            if error.status in (401, 403):
                return False
            raise


def make_token(at: InfluxAt) -> str:
    """A new token that reads and writes the readings, and reads the hourly values: nothing else.

    Raises InfluxAway, and InfluxLocked for a token that may make no other.
    """
    with _asking(at) as client:
        rights, org_id = [], ""
        for name, actions in ((at.bucket, ("read", "write")), (hourly_bucket(at), ("read",))):
            (bucket,) = _buckets(client, at.org, name)
            org_id = bucket.org_id
            resource = PermissionResource(type="buckets", id=bucket.id, org_id=org_id)
            rights += [Permission(action=action, resource=resource) for action in actions]
        asked = AuthorizationPostRequest(
            org_id=org_id, permissions=rights, description=f"Waystation: {at.bucket}"
        )
        return str(AuthorizationsService(client.api_client).post_authorizations(asked).token)


@contextmanager
def _asking(at: InfluxAt) -> Iterator[Any]:
    client = InfluxDBClient(at.url, at.token, org=at.org, timeout=_TIMEOUT_MS, retries=False)
    try:
        yield client
    except ApiException as error:
        refused = explained(error)
        if error.status in (400, 409, 422):
            raise CannotPrepare(f"InfluxDB cannot be prepared. {refused}") from None
        raise refused from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise InfluxAway(f"InfluxDB does not answer at {at.url} ({type(error).__name__}).") from None
    finally:
        client.api_client.rest_client.pool_manager.clear()


def _prepare(client: Any, at: InfluxAt, raw_days: int, hourly_days: int) -> list[str]:
    done = []
    setup = SetupService(client.api_client)
    if setup.get_setup().allowed:
        # Nobody signs in with this password; `influxd recovery` gives another.
        setup.post_setup(
            OnboardingRequest(
                username=USER, password=secrets.token_urlsafe(32), org=at.org, bucket=at.bucket,
                token=at.token, retention_period_seconds=raw_days * DAY_S,
            )
        )  # fmt: skip
        done.append(f"InfluxDB is set up with the organisation {at.org} and the bucket {at.bucket}.")
    _organisation(client, at, done)
    for name, days in ((at.bucket, raw_days), (hourly_bucket(at), hourly_days)):
        _bucket(client, at.org, name, days, done)
    _task(client, at, done)
    return done


def _organisation(client: Any, at: InfluxAt, done: list[str]) -> None:
    organisations = client.organizations_api()
    if not _found(lambda: organisations.find_organizations(org=at.org)):
        organisations.create_organization(name=at.org)
        done.append(f"The organisation {at.org} is made.")


def _bucket(client: Any, org: str, name: str, days: int, done: list[str]) -> None:
    buckets = client.buckets_api()
    keep = BucketRetentionRules(type="expire", every_seconds=days * DAY_S)
    found = _buckets(client, org, name)
    if not found:
        buckets.create_bucket(bucket_name=name, org=org, retention_rules=keep)
        done.append(f"The bucket {name} keeps {days} days.")
        return
    rules = found[0].retention_rules
    if [rule.every_seconds for rule in rules] != [days * DAY_S]:
        found[0].retention_rules = [keep]
        buckets.update_bucket(found[0])
        done.append(f"The bucket {name} now keeps {days} days.")


def _buckets(client: Any, org: str, name: str) -> list[Any]:
    return _found(lambda: client.buckets_api().find_buckets(name=name, org=org).buckets)


def _task(client: Any, at: InfluxAt, done: list[str]) -> None:
    flux = hourly_flux(at)
    tasks = client.tasks_api()
    for task in tasks.find_tasks(name=TASK, org=at.org):
        if f"from(bucket: {flux_text(at.bucket)})" in task.flux:
            if task.flux.strip() != flux.strip():
                task.flux, task.every, task.cron, task.offset = flux, None, None, None
                tasks.update_task(task)
                done.append(f"The task {TASK!r} is brought up to date.")
            return
    tasks.create_task(task_create_request=TaskCreateRequest(flux=flux, org=at.org, status="active"))
    done.append(f"The task {TASK!r} fills the bucket {hourly_bucket(at)}.")


def _found(look: Callable[[], list[Any]]) -> list[Any]:
    """Nothing found is an error to InfluxDB."""
    try:
        return look() or []
    except ApiException as error:
        if error.status != 404:
            raise
        return []


def hourly_flux(at: InfluxAt) -> str:
    """The task's text: minimum, mean, maximum, last and count of each field; of text the last and count."""
    return _HOURLY.format(
        task=TASK, raw=flux_text(at.bucket), hourly=flux_text(hourly_bucket(at)), org=flux_text(at.org),
        pipes=_PIPES,
    )  # fmt: skip


def flux_text(text: str) -> str:
    """A string as Flux writes it, whatever it holds."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{escaped}"'.replace("\n", "\\n").replace("\r", "\\r")
