"""What may be asked of a time series, wherever it is kept."""

from __future__ import annotations

from typing import Final, Literal

from devices.kind import Metric
from devices.registry import kinds
from domain.errors import NotFound

Aggregate = Literal["min", "mean", "max", "last"]
MAX_POINTS: Final = 10_000


def metric_of(kind: str, metric: str, part: int) -> Metric:
    """What is declared of this metric; NotFound for a kind, part or metric that does not exist."""
    declared = kinds().get(kind)
    if declared is None:
        raise NotFound(f"There is no kind {kind[:40]!r}.")
    if part and declared.parts is None:
        raise NotFound(f"A {kind} has no parts.")
    metrics = declared.part_metrics if part else declared.metrics
    found = metrics.get(metric)
    if found is None:
        whose = f"a part of {kind}" if part else kind
        raise NotFound(f"{metric[:40]!r} is not a metric of {whose}; it has {', '.join(metrics)}.")
    return found


def check_question(
    metric: Metric, from_ms: int, to_ms: int, step_ms: int | None, aggregate: Aggregate
) -> None:
    """Raise ValueError for a question that makes no sense."""
    if step_ms is not None and step_ms <= 0:
        raise ValueError("step must be longer than nothing")
    if step_ms is not None and (to_ms - from_ms) // step_ms > MAX_POINTS:
        raise ValueError(f"that makes more than {MAX_POINTS} points; take longer steps or less time")
    if metric.type == "str" and aggregate != "last":
        raise ValueError(f"{metric.name} is text: it has only a last value, no {aggregate}")
