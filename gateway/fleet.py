"""What the gateway knows between two batches: who exists, what is true of each, what is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from devices.kind import Kind
from devices.said_before import FoundFields
from devices.state import DeviceState
from domain import topics
from domain.clock_offset import PROMPT_MS
from domain.facts import StationFact
from domain.ids import DeviceId, edge_box
from domain.watermark import Watermark
from gateway.unwritten import Unwritten
from rules.calendar import Calendar
from rules.station_view import StationInfo, Timetables

LinkState = Literal["online", "offline", "unknown"]


class Member(NamedTuple):
    """A registered device: who it is, who speaks for it, where its station is."""

    device: DeviceId
    kind: Kind
    speaker: DeviceId
    adcode: str


@dataclass(slots=True, eq=False)
class Boot:
    """One run of a speaker. `since_ms` orders boots.

    A batch changes it in place and keeps what it was `before`, in case the batch cannot be committed.
    """

    speaker: Speaker
    name: str
    since_ms: int
    watermark: Watermark = field(default_factory=Watermark)
    newest_ts_ms: int | None = None
    offset_ms: int | None = None
    seen_ms: int = 0
    clock_fault: bool | None = None
    """As last noted of its speaker; None when nothing was noted yet."""
    heard: list[int] = field(default_factory=list)
    """What this batch heard of it, duplicates too; not what came in order."""
    before: BootBefore | None = None
    written: bool = True
    """False while its row lacks readings that came in order."""
    name_bytes: bytes = b""

    def __post_init__(self) -> None:
        self.name_bytes = self.name.encode()

    def begin_change(self) -> None:
        """Remember how it is."""
        watermark = self.watermark
        ranges = [list(r) for r in watermark.ranges] if watermark.ranges else None
        self.before = (
            self.since_ms, watermark.upto, ranges, self.newest_ts_ms, self.offset_ms, self.seen_ms,
            self.clock_fault,
        )  # fmt: skip

    def keep_change(self) -> None:
        """The batch is committed."""
        self.before = None
        if self.heard:
            self.heard = []
        speaker = self.speaker
        if speaker.seen_ms is None or self.seen_ms > speaker.seen_ms:
            speaker.seen_ms = self.seen_ms

    def undo_change(self) -> None:
        """The batch is given up."""
        if self.before is not None:
            self.since_ms, upto, ranges, self.newest_ts_ms, self.offset_ms, self.seen_ms, self.clock_fault = (
                self.before
            )
            self.watermark = Watermark(upto, ranges or [])
        self.before = None
        self.heard = []


BootBefore = tuple[int, int, list[list[int]] | None, int | None, int | None, int, bool | None]


@dataclass(slots=True, eq=False)
class Speaker:
    """Who holds a connection. A batch that hears of its link changes a copy, which shares the boots."""

    id: DeviceId
    adcode: str
    link: LinkState = "unknown"
    link_changed_ms: int = 0
    conn: int = -1
    current: Boot | None = None
    dropped: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    boots: dict[str, Boot] = field(default_factory=dict)
    seen_ms: int | None = None
    ack_topic: str = ""

    def __post_init__(self) -> None:
        self.ack_topic = self.ack_topic or topics.ack(self.adcode, self.id)

    @property
    def boot(self) -> str | None:
        """The name of the current boot."""
        return None if self.current is None else self.current.name

    def copy(self) -> Speaker:
        """A copy for one batch."""
        return Speaker(
            self.id,
            self.adcode,
            self.link,
            self.link_changed_ms,
            self.conn,
            self.current,
            self.dropped,
            self.versions,
            self.boots.copy(),
            self.seen_ms,
            self.ack_topic,
        )

    def become(self, other: Speaker) -> None:
        """Take over the content of a changed copy; whoever holds this speaker holds the new one."""
        self.link, self.link_changed_ms, self.conn = other.link, other.link_changed_ms, other.conn
        self.current, self.boots = other.current, other.boots
        self.dropped, self.versions = other.dropped, other.versions


@dataclass(slots=True, eq=False)
class Route:
    """Where a telemetry topic leads: found before, because nearly every message takes this road."""

    member: Member
    speaker: Speaker
    state: DeviceState
    find: Callable[[bytes], FoundFields | None]


class AlertKey(NamedTuple):
    """What an open alert is about; at most one is open for each."""

    device: DeviceId
    part: int
    code: str


class OpenAlertNote(NamedTuple):
    """What the gateway remembers of an open alert row."""

    id: str
    refuse_entry: bool
    safety: bool
    happened_ms: int


@dataclass(slots=True)
class StationRecord:
    """A station as the gateway needs it: its division, its devices, and the facts last written for it."""

    id: str
    adcode: str
    names: tuple[str, str]
    """Chinese and English."""
    members: list[Member] = field(default_factory=list)
    speakers: list[DeviceId] = field(default_factory=list)
    """Its edge box, and devices that speak for themselves."""
    facts: dict[str, dict[str, StationFact]] = field(default_factory=dict)
    info: StationInfo | None = None
    """Hours, seats and status, for rules over the station."""

    @property
    def shares_roles(self) -> bool:
        """True when what one device says counts only while another's word is old."""
        return len({member.kind.name for member in self.members}) < len(self.members)


@dataclass(slots=True)
class Fleet:
    """Everything in memory. Only `adopt` of a committed batch changes what is here."""

    stations: dict[str, StationRecord] = field(default_factory=dict)
    members: dict[DeviceId, Member] = field(default_factory=dict)
    speakers: dict[DeviceId, Speaker] = field(default_factory=dict)
    states: dict[DeviceId, DeviceState] = field(default_factory=dict)
    open_alerts: dict[AlertKey, OpenAlertNote] = field(default_factory=dict)
    alerts_of: dict[str, set[AlertKey]] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)
    """Stations whose row tells of other alerts than are open: a person ended one while no gateway ran."""
    routes: dict[str, Route] = field(default_factory=dict)
    """By the telemetry topic of each device, which so need not be taken apart."""
    unwritten: Unwritten = field(default_factory=Unwritten)
    late_ms: int = PROMPT_MS
    """A reading older than this on its arrival is not found again by a restart: its number is written."""
    watched: set[str] = field(default_factory=set)
    """Stations whose own rules want to hear of every word, whatever it says."""
    registry_version: int = 0
    timetables: Timetables = field(default_factory=lambda: Timetables(Calendar()))
    log_only: frozenset[str] = frozenset()
    """Codes of alerts that are kept and told to nobody."""

    def open_codes(self, station: str) -> frozenset[str]:
        """Codes of the station-level alerts that are open, for inhibition."""
        keys = self.alerts_of.get(station)
        if not keys:
            return frozenset()
        return frozenset(key.code for key in keys if key.device.kind == "station")

    def by_role(self, station: str, role: str) -> list[Member]:
        """Devices of a station that play a role, lowest number first."""
        record = self.stations.get(station)
        if record is None:
            return []
        return [m for m in record.members if role in m.kind.roles]

    def names(self, station: str) -> tuple[str, str]:
        """Chinese and English name of a station, for alert texts."""
        record = self.stations.get(station)
        return record.names if record is not None else (station, station)

    def station_devices(self) -> list[DeviceId]:
        """The pseudo-device of each station, on which station rules keep their notes."""
        return [edge_box(station) for station in self.stations]

    def note_opened(self, key: AlertKey, note: OpenAlertNote) -> None:
        """Remember an alert row that is open."""
        self.open_alerts[key] = note
        self.alerts_of.setdefault(key.device.station, set()).add(key)

    def note_resolved(self, key: AlertKey) -> None:
        """Forget an alert row that has ended."""
        self.open_alerts.pop(key, None)
        keys = self.alerts_of.get(key.device.station)
        if keys is not None:
            keys.discard(key)
