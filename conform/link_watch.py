"""The speaker's connections, what it says of them, and the will it leaves with the broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conform.check import Findings
from conform.heard import Greeting, LinkHeard
from devices.decode import decode_link
from devices.message import Link
from domain import topics
from domain.errors import BadMessage

FIRST_WITHIN_S = 5.0
ON_ITS_WAY_S = 2.0


@dataclass(slots=True)
class Session:
    """One connection. `fresh` when its beginning was seen; `will` as the CONNECT left it."""

    started_s: float
    fresh: bool
    will: Link | None = None
    will_topic: str = ""
    boot: str | None = None
    conn: int | None = None
    first_s: float | None = None
    ended_s: float | None = None
    echoed_s: float | None = None
    said_s: list[float] = field(default_factory=list)
    news: Any = None


class LinkWatch:
    """`shows_connections` when the line tells of each CONNECT; otherwise a new conn is a new connection."""

    def __init__(self, adcode: str, station: str, findings: Findings, shows_connections: bool) -> None:
        self.sessions: list[Session] = []
        self.dropped_first: int | None = None
        self.dropped = 0
        self.topic: str | None = None
        self._branch = f"ws/{adcode}/{station}/"
        self._findings = findings
        self.shows_connections = shows_connections

    @property
    def now(self) -> Session | None:
        """The present connection, or the last one."""
        return self.sessions[-1] if self.sessions else None

    def opened(self, greeting: Greeting, now_s: float) -> None:
        """A CONNECT was accepted."""
        self._findings.judge(
            "connect.clean", greeting.clean, f"clean session: {'yes' if greeting.clean else 'no'}"
        )
        session = Session(now_s, fresh=True)
        self.sessions.append(session)
        will = greeting.will
        if will is None:
            self._findings.broken("link.will", "the CONNECT leaves no will")
            return
        if will.qos != 1 or will.retained:
            kept = ", retained" if will.retained else ""
            self._findings.broken("link.will", f"the will on {will.topic} has QoS {will.qos}{kept}")
        try:
            address = topics.parse(will.topic)
            session.will, session.will_topic = decode_link(will.payload).link, will.topic
        except BadMessage as bad:
            self._findings.broken("link.will", f"the will on {will.topic[:120]}: {bad}")
            return
        if address.leaf != "link" or not will.topic.startswith(self._branch):
            self._findings.broken("link.will", f"the will is on {will.topic}, not on a link topic of its own")
            session.will = None
        elif session.will.online:
            self._findings.broken("link.will", f"the will on {will.topic} says online")
            session.will = None

    def closed(self, now_s: float) -> None:
        """The connection is over."""
        if self.sessions:
            self.sessions[-1].ended_s = now_s

    def heard(self, word: LinkHeard) -> bool:
        """Take one link message; whether it begins a connection that no CONNECT told of."""
        link = word.link
        if not link.online:
            self._offline(word)
            return False
        self.topic = word.topic
        if self.dropped_first is None:
            self.dropped_first = link.dropped
        self.dropped = max(self.dropped, link.dropped)
        session = self.now
        begins = session is None or (
            not self.shows_connections and (session.boot, session.conn) != (link.boot, link.conn)
        )
        if session is None or begins:
            session = Session(word.at_s, fresh=session is not None and not self.shows_connections)
            self.sessions.append(session)
        if session.conn is None:
            session.boot, session.conn, session.first_s = link.boot, link.conn, word.at_s
            self._rises(session, word)
            self._same_will(session, word)
        elif session.conn != link.conn or session.boot != link.boot:
            told = f"{word.topic}: conn {session.conn} became {link.conn} within one connection"
            self._findings.broken("link.conn", told)
            session.boot, session.conn = link.boot, link.conn
        news = (link.versions, link.dropped)
        if (
            session.echoed_s is not None
            and word.at_s - session.echoed_s > ON_ITS_WAY_S
            and news == session.news
        ):
            after_s = word.at_s - session.echoed_s
            told = f"{word.topic}: conn {link.conn} came again {after_s:.0f} s after its echo"
            self._findings.broken("link.rest", told)
        session.news = news
        session.said_s.append(word.at_s)
        return begins

    def echoed(self, boot: str, conn: int, now_s: float) -> None:
        """An ack with this conn went out."""
        session = self.now
        if session is not None and (session.boot, session.conn) == (boot, conn) and session.echoed_s is None:
            session.echoed_s = now_s

    def finish(self, now_s: float) -> None:
        """Judge what only the end shows."""
        for n, session in enumerate(self.sessions, 1):
            ended_s = now_s if session.ended_s is None else session.ended_s
            if session.fresh and ended_s - session.started_s > FIRST_WITHIN_S:
                after_s = None if session.first_s is None else session.first_s - session.started_s
                good = after_s is not None and after_s <= FIRST_WITHIN_S
                told = "said nothing" if after_s is None else f"said so after {after_s:.1f} s"
                self._findings.judge("link.first", good, f"connection {n} {told}")
            if session.echoed_s is not None and ended_s - session.echoed_s > 10:
                self._findings.kept("link.rest", f"connection {n} was quiet after its echo")
        if len([one for one in self.sessions if one.conn is not None]) < 2:
            self._findings.unseen("link.conn", "there was only one connection; break it while this runs")
        if not self.shows_connections:
            for check in ("connect.clean", "subscribe.down"):
                self._findings.unseen(check, "a broker of its own (--listen) shows it")
            self._findings.unseen("link.will", "--listen shows it, or the power cut while this runs")

    def _rises(self, session: Session, word: LinkHeard) -> None:
        earlier = [
            s.conn
            for s in self.sessions
            if s is not session and s.boot == session.boot and s.conn is not None
        ]
        if earlier and session.conn is not None:
            rises = session.conn > max(earlier)
            told = f"{word.topic}: conn {session.conn} after {max(earlier)}"
            self._findings.judge("link.conn", rises, told)

    def _same_will(self, session: Session, word: LinkHeard) -> None:
        will = session.will
        if will is None:
            return
        same = (will.boot, will.conn, session.will_topic) == (session.boot, session.conn, word.topic)
        told = f"the will of boot {will.boot} conn {will.conn} on {session.will_topic}"
        said = "" if same else f", but link says boot {session.boot} conn {session.conn} on {word.topic}"
        self._findings.judge("link.will", same, told + said)

    def _offline(self, word: LinkHeard) -> None:
        known = any((s.boot, s.conn) == (word.link.boot, word.link.conn) for s in self.sessions)
        told = f"{word.topic}: offline of boot {word.link.boot} conn {word.link.conn}"
        self._findings.judge("link.will", known or not self.sessions, told)
