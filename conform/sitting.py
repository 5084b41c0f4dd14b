"""One run of the kit: it is told what the line shows, plays the hub, and says what to send; pure."""

from __future__ import annotations

from conform import handshake, sending_again
from conform.check import Findings, Verdict
from conform.heard import Greeting, Heard, Message
from conform.hub_part import HubPart
from conform.link_watch import LinkWatch
from conform.record import Record
from conform.report_watch import ReportWatch
from conform.sitter import Sitter
from conform.stage import Action, Script, Stage, Tell, Wait
from domain.ids import edge_box

LINK_PATIENCE_S = 9.0


class Sitting:
    """Feed it from one thread; call `tick` when `due_s` is reached and after each thing it was told."""

    def __init__(self, sitter: Sitter) -> None:
        self.over = False
        self._sitter = sitter
        self._findings = Findings()
        self._record = Record(sitter.adcode, sitter.station, self._findings)
        self._links = LinkWatch(sitter.adcode, sitter.station, self._findings, sitter.shows_connections)
        self._reports = ReportWatch(self._findings, sitter.full_report_s)
        speaker = sitter.speaker or edge_box(sitter.station)
        hub = HubPart(sitter.adcode, self._record, self._links, speaker, sitter.word())
        self._stage = Stage(self._findings, self._record, self._links, self._reports, hub, sitter.word)
        self._script = self._play()
        self._wait: Wait | None = None
        self._wait_until_s = 0.0
        self._ends_s: float | None = None

    @property
    def due_s(self) -> float:
        """The monotonic second at which `tick` is needed even if nothing happens."""
        return self._wait_until_s

    @property
    def part(self) -> str:
        """What is being looked at, in a few words."""
        return self._stage.part

    @property
    def heard(self) -> int:
        """How many messages came, without the repeated."""
        return len(self._record.order)

    def opened(self, greeting: Greeting, now_s: float) -> None:
        """The device has connected; only where the line shows it."""
        self._links.opened(greeting, now_s)
        self._record.session += 1

    def closed(self, now_s: float) -> None:
        """Its connection is over; only where the line shows it."""
        self._links.closed(now_s)

    def subscribed(self, topic_filter: str, qos: int) -> None:
        """The device asks to hear something; only where the line shows it."""
        own = topic_filter.startswith(f"ws/{self._sitter.adcode}/{self._sitter.station}/down/")
        self._findings.judge("subscribe.down", own and qos == 0, f"{topic_filter[:120]} at QoS {qos}")

    def heard_word(self, heard: Heard, now_ms: int, now_s: float) -> None:
        """The device has published."""
        stage = self._stage
        word = self._record.hear(heard, now_ms, now_s)
        if isinstance(word, Message):
            is_new = len(word.at_s) == 1
            stage.hub.took(word, is_new)
            if is_new and word.leaf == "telemetry":
                self._reports.heard(word, self._links.now, len(self._links.sessions) - 1, now_s)
        elif word is not None:
            if self._links.heard(word):
                self._record.session += 1
            stage.hub.took_link(word)

    def probed(self, retained: list[str]) -> None:
        """What a second listener was told of the past, on a line that does not show what is retained."""
        for topic in retained:
            self._findings.broken("publish.retained", f"{topic} is told to whoever subscribes later")
        if not retained:
            self._findings.kept("publish.retained", "a second listener heard nothing old")

    def tick(self, now_ms: int, now_s: float) -> list[Action]:
        """What to do now: publish, or cut the line."""
        stage = self._stage
        stage.now_s = now_s
        if self._ends_s is None:
            self._ends_s = now_s + self._sitter.seconds
        while not self.over and (
            self._wait is None or self._wait.until() or now_s >= self._wait_until_s or now_s >= self._ends_s
        ):
            self._wait = None if now_s >= self._ends_s else next(self._script, None)
            if self._wait is None:
                self._end(now_s)
                break
            self._wait_until_s = min(now_s + self._wait.at_most_s, self._ends_s)
        actions: list[Action] = [Tell(topic, payload) for topic, payload in stage.hub.acks(now_ms, now_s)]
        actions += stage.actions
        stage.actions = []
        return actions

    def stop(self, now_s: float) -> None:
        """End it here; what was not seen by now is not seen."""
        if not self.over:
            self._end(now_s)

    def verdicts(self) -> list[Verdict]:
        """Every check; complete when it is over."""
        return self._findings.verdicts()

    def _play(self) -> Script:
        stage = self._stage
        stage.part = "waiting for the device"
        yield Wait(lambda: bool(self._record.order or self._links.sessions), self._sitter.seconds)
        yield from self._link()
        yield from self._steady()
        yield from handshake.try_commands(stage, self._sitter)
        if not self._record.keeps:
            for check in sending_again.CHECKS:
                self._findings.unseen(check, "it sends no low, so it keeps nothing")
        else:
            yield from sending_again.one_is_missing(stage)
            yield from sending_again.silence(stage)
        yield from sending_again.cut(stage, self._sitter.shows_connections, self._sitter.shut_s)
        if self._record.keeps:
            yield from sending_again.another_store(stage)
        stage.part = "watching"
        begun_s = self._record.order[0].at_s[0] if self._record.order else stage.now_s
        rest_s = begun_s + self._sitter.full_report_s * 1.1 + 5.0 - stage.now_s
        yield Wait(lambda: False, max(rest_s, 5.0))

    def _link(self) -> Script:
        stage, links = self._stage, self._links
        stage.part = "link, not echoed"
        stage.hub.echoing = False
        yield Wait(lambda: bool(links.topic), 10.0)
        session = links.now
        if session is None or not session.said_s:
            return
        yield Wait(lambda: len(session.said_s) >= 3, LINK_PATIENCE_S)
        times = len(session.said_s)
        told = f"{links.topic}: {times} times within {stage.now_s - session.said_s[0]:.0f} s without an echo"
        self._findings.judge("link.again", times >= 2, told)
        stage.hub.echoing = True
        stage.hub.resume()
        stage.hub.say_again()

    def _steady(self) -> Script:
        stage, record = self._stage, self._record
        stage.hub.echoing = True
        stage.part = "acknowledging everything"
        enough_s = 2 * self._reports.period_s() + 15.0
        yield Wait(lambda: len(record.order) >= 3 and (record.low_has_moved() or not record.keeps), enough_s)
        if record.low_has_moved():
            self._findings.kept("low.moves", "low rose after acks")

    def _end(self, now_s: float) -> None:
        self.over = True
        if self._stage.part != "watching":
            self._findings.not_reached(f"the time was over during: {self._stage.part}")
        self._stage.part = "over"
        if self._record.keeps and not self._record.low_has_moved():
            if self._stage.keeps_acknowledged:
                self._findings.kept(
                    "low.moves", "it keeps acknowledged messages, and sent them to a new store"
                )
            else:
                last = self._record.order[-1]
                self._findings.broken("low.moves", f"{last.where}: low is still {last.low}")
        given_up = sum(1 for message in self._record.order if message.given_up)
        first = self._links.dropped_first or 0
        self._record.finish(max(0, self._links.dropped - first - given_up), now_s)
        self._links.finish(now_s)
        self._reports.finish(self._links.sessions, now_s)
