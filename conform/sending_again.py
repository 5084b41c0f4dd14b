"""The parts of a sitting in which the hub withholds its acks, the line breaks, or the store is another."""

from __future__ import annotations

from dataclasses import dataclass

from conform.heard import PACE_S, Message
from conform.record import FIVE
from conform.stage import Cut, Script, Stage, Wait

CHECKS = (
    "low.held", "low.moves", "late.own_ts", "again.missing", "again.pace", "again.dropped", "again.timeout",
    "again.oldest", "again.doubling", "again.reconnect", "again.stops", "store.new",
)  # fmt: skip
FIRST_TIMEOUT_S = 10.0
NEWS_S = 65.0
RETRY_PATIENCE_S = 61.0
ON_ITS_WAY_S = 0.5
OLD_MS = 2_000
SHUT_LONGEST_S = 40.0
COME_BACK_S = 100.0


def one_is_missing(stage: Stage) -> Script:
    """One message is not acknowledged, those after it are."""
    stage.part = "one message without an ack"
    hub, findings, links = stage.hub, stage.findings, stage.links
    period_s = stage.reports.period_s()
    hub.catch_next(lambda message: message.lane == "bulk")
    yield Wait(lambda: hub.caught is not None, 2 * period_s + 5)
    caught = hub.caught
    if caught is None:
        hub.release()
        for check in ("again.missing", "again.dropped"):
            findings.unseen(check, "no telemetry came in time")
        return
    sent_s = caught.at_s[0]

    def overtaken() -> bool:
        return any(m.acked_s is not None and m.at_s[0] > sent_s for m in stage.record.messages("bulk"))

    yield Wait(overtaken, 2 * period_s + 5)
    if not overtaken():
        findings.unseen("again.missing", f"no telemetry followed {caught.where}")
        hub.release()
        return
    tries = _Tries(caught, stage.now_s - ON_ITS_WAY_S)
    dropped = links.dropped
    yield Wait(lambda: tries.times > 0, RETRY_PATIENCE_S)
    again = tries.times > 0
    told = f"{caught.where} {'came again' if again else 'did not come again'} after later ones had their ack"
    findings.judge("again.missing", again, told)
    if again:
        yield from _given_up(stage, tries, dropped)
    caught.given_up = True
    hub.release()


@dataclass(slots=True)
class _Tries:
    """How often a message came again since a later one had its ack."""

    message: Message
    since_s: float

    @property
    def times(self) -> int:
        return sum(1 for at_s in self.message.again_s if at_s >= self.since_s)


def _given_up(stage: Stage, tries: _Tries, dropped: int) -> Script:
    findings, links, caught = stage.findings, stage.links, tries.message
    every_s = PACE_S
    while tries.times < FIVE:
        times = tries.times
        if times > 1:
            every_s = max(every_s, caught.again_s[-1] - caught.again_s[-2])
        patience_s = min(RETRY_PATIENCE_S, 2 * every_s + 3)
        yield Wait(lambda times=times: tries.times > times, patience_s)  # type: ignore[misc]
        if tries.times == times:
            findings.broken("again.dropped", f"{caught.where} was sent again only {times} times")
            return
    # The lane's time-out may have sent it once more, at the moment when the later one had its ack.
    yield Wait(lambda: tries.times > FIVE + 1, 2 * (2 * every_s + 3))
    if tries.times > FIVE + 1:
        findings.broken("again.dropped", f"{caught.where} was sent again more than five times")
        return
    yield Wait(lambda: links.dropped > dropped, NEWS_S)
    counted = links.dropped > dropped
    told = f"{caught.where}: sent again five times, dropped {'is' if counted else 'stays'} {links.dropped}"
    findings.judge("again.dropped", counted, told)


def silence(stage: Stage) -> Script:
    """Nothing is acknowledged for a while."""
    stage.part = "silence"
    hub, findings, record = stage.hub, stage.findings, stage.record
    yield Wait(lambda: not record.held("bulk"), 5.0)
    hub.acking = False
    period_s = stage.reports.period_s()
    yield Wait(lambda: bool(record.held("bulk")), 2 * period_s)
    if not record.held("bulk"):
        findings.unseen("again.timeout", "no telemetry came in time")
        return
    oldest = record.held("bulk")[0]
    begun_s = oldest.at_s[0]
    yield Wait(lambda: bool(oldest.again_s), 2 * FIRST_TIMEOUT_S + 5)
    first_s = oldest.again_s[0] - begun_s if oldest.again_s else None
    good = first_s is not None and first_s >= FIRST_TIMEOUT_S - 2
    told = "was not sent again" if first_s is None else f"was sent again after {first_s:.0f} s"
    findings.judge("again.timeout", good, f"{oldest.where} {told} without an ack")
    if first_s is None:
        return
    yield Wait(lambda: len(oldest.again_s) > 1, 4 * FIRST_TIMEOUT_S)
    if len(oldest.again_s) > 1:
        then_s = oldest.again_s[1] - oldest.again_s[0]
        told = f"{oldest.where} came again after {first_s:.0f} s, then after {then_s:.0f} s"
        findings.judge("again.doubling", then_s >= 1.5 * FIRST_TIMEOUT_S, told)
    else:
        findings.broken(
            "again.doubling", f"{oldest.where} came again once, then not for {4 * FIRST_TIMEOUT_S:.0f} s"
        )
    others = [m for m in record.held("bulk") if m is not oldest and m.again_s]
    for other in others:
        findings.broken("again.oldest", f"{other.where} came again, though {oldest.where} is older")
    if not others:
        findings.kept("again.oldest", f"only {oldest.where} came again")


def cut(stage: Stage, can_cut: bool, shut_s: float | None) -> Script:
    """The line breaks, and cannot be mended for a while."""
    findings, record, links, hub = stage.findings, stage.record, stage.links, stage.hub
    if not can_cut:
        for check in ("again.reconnect", "late.own_ts"):
            findings.unseen(check, "only --listen can cut the line")
        hub.resume()
        return
    stage.part = "the line is cut"
    before = len(links.sessions)
    held = [m for m in record.open.values() if not m.given_up]
    if shut_s is None:
        shut_s = min(SHUT_LONGEST_S, stage.reports.shortest_period_s() + 5)
    from_s = stage.now_s
    stage.actions.append(Cut(shut_s))
    yield Wait(lambda: len(links.sessions) > before, shut_s + COME_BACK_S)
    if len(links.sessions) == before:
        findings.broken("link.first", f"it did not connect again within {stage.now_s - from_s:.0f} s")
        return
    back_s = links.sessions[-1].started_s
    record.burst_since_s = back_s
    yield Wait(lambda: False, 8.0)
    if record.keeps:
        _judge_return(stage, held, back_s)
        _judge_late(stage, [m for m in record.order if m.at_s[0] >= back_s], from_s, back_s)
    hub.resume()
    yield Wait(lambda: False, 5.0)


def _judge_return(stage: Stage, held: list[Message], back_s: float) -> None:
    findings = stage.findings
    if not held:
        findings.unseen("again.reconnect", "nothing was held when the line was cut")
    for message in held:
        times = sum(1 for at_s in message.again_s if at_s >= back_s)
        told = f"{message.where} came {times} times in 8 s after the reconnect"
        findings.judge("again.reconnect", times == 1, told)


def _judge_late(stage: Stage, new: list[Message], from_s: float, back_s: float) -> None:
    findings, record = stage.findings, stage.record
    reports = [m for m in new if m.leaf == "telemetry" and m.ts_ms is not None]
    late = [m for m in reports if record.age_ms(m) > OLD_MS]
    at_once = [m for m in reports if m.at_s[0] - back_s < ON_ITS_WAY_S]
    if late:
        told = f"{late[0].where} came with a ts {record.age_ms(late[0]) / 1000:.0f} s old"
        findings.kept("late.own_ts", told)
    elif len(at_once) > 2 * len({m.device for m in at_once}):
        away_s = back_s - from_s
        told = (
            f"{len(at_once)} reports came after {away_s:.0f} s without a line, all with the ts of that moment"
        )
        findings.broken("late.own_ts", told)
    else:
        findings.unseen("late.own_ts", "nothing that was said meanwhile came with a time")


def another_store(stage: Stage) -> Script:
    """The hub comes back with an empty database."""
    stage.part = "another store"
    hub, findings, record = stage.hub, stage.findings, stage.record
    # A device keeps no faith with a store that it was never told of.
    yield Wait(lambda: not record.open, 10.0)
    hub.acking = False
    period_s = stage.reports.period_s()
    begun = len(record.order)
    yield Wait(lambda: len([m for m in record.order[begun:] if m.lane == "bulk"]) >= 2, 2 * period_s + 5)
    fresh = [m for m in record.order[begun:] if stage.now_s - m.at_s[0] < FIRST_TIMEOUT_S - 4]
    if not fresh:
        findings.unseen("store.new", "nothing was held when the store changed")
        hub.resume()
        return
    newest = fresh[-1]
    acked = [m for m in record.order if m.acked_s is not None]
    changed_s, times = stage.now_s, len(newest.at_s)
    record.burst_since_s = changed_s
    hub.new_store(stage.word())
    yield Wait(lambda: len(newest.at_s) > times, 3.5)
    again = len(newest.at_s) > times
    told = f"{newest.where} {'came' if again else 'did not come'} again after another store was named"
    findings.judge("store.new", again, told)
    stage.keeps_acknowledged = any(m.at_s[-1] >= changed_s for m in acked)
    hub.resume()
    yield Wait(lambda: False, 5.0)
