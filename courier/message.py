"""What a notice says, as JSON that a group robot, a ticket system or a person can use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from courier.channel import Message
from storage.notices import NoticeRow

SEVERITIES: Final[Mapping[str, tuple[str, str]]] = {
    "emergency": ("紧急", "Emergency"),
    "major": ("严重", "Major"),
    "minor": ("一般", "Minor"),
    "info": ("提示", "Info"),
}
REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "cleared": ("数据显示已恢复", "the data show that it is over"),
    "superseded": ("已并入更严重的警报", "a graver alert takes over"),
    "rule_removed": ("规则已取消", "its rule was removed"),
    "reset": ("已由人工复位", "a person reset it"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def message_of(notice: NoticeRow, base_url: str, now_ms: int) -> Message:
    """The message for one notice. `base_url` is where people reach the hub."""
    alert = notice.alert
    zh, en = _texts(notice)
    body: dict[str, Any] = {
        "v": 1,
        "id": f"{alert.id}:{notice.what}",
        "what": notice.what,
        "repeated": notice.repeated,
        "sent_at": time_text(now_ms),
        "text_zh": f"【重发】{zh}" if notice.repeated else zh,
        "text_en": f"[Sent again] {en}" if notice.repeated else en,
        "link": f"{base_url}/#{alert.station}",
        "station": {
            "id": alert.station,
            "adcode": alert.adcode,
            "name": alert.station_name,
            "name_en": alert.station_name_en,
            "address": alert.address,
        },
        "alert": {
            "id": alert.id,
            "incident": alert.incident,
            "code": alert.code,
            "severity": alert.severity,
            "severity_zh": SEVERITIES.get(alert.severity, (alert.severity, ""))[0],
            "safety": alert.safety,
            "device": f"{alert.kind}/{alert.n}",
            "part": alert.part,
            "state": alert.state,
            "reasons": alert.values,
            "text_zh": alert.text_zh,
            "text_en": alert.text_en,
            "happened_at": time_text(alert.happened_ms),
            "learned_at": time_text(alert.learned_ms),
            "resolved_at": None if alert.resolved_ms is None else time_text(alert.resolved_ms),
            "resolved_reason": alert.resolved_reason,
            "note": alert.note,
        },
    }
    return Message(str(body["id"]), body)


def _texts(notice: NoticeRow) -> tuple[str, str]:
    """What happened and what to do stands in the alert's own text; the end of it is said here."""
    alert = notice.alert
    if notice.what != "resolved":
        if alert.incident != alert.id:
            return f"【同一事件】{alert.text_zh}", f"[Same incident] {alert.text_en}"
        return alert.text_zh, alert.text_en
    ended_ms = alert.resolved_ms if alert.resolved_ms is not None else notice.created_ms
    minutes = max(0, ended_ms - alert.happened_ms) // 60_000
    if alert.resolved_reason == "superseded":
        # Nothing has recovered, and nobody may think so.
        over_zh, over_en = "合并", "Taken over"
    else:
        over_zh, over_en = "恢复", "Over"
    why_zh, why_en = REASONS.get(alert.resolved_reason or "", ("", ""))
    zh = f"【{over_zh}】持续 {minutes} 分钟{'，' + why_zh if why_zh else ''}。原告警：{alert.text_zh}"
    en = f"[{over_en}] after {minutes} min{': ' + why_en if why_en else ''}. It was: {alert.text_en}"
    return zh, en


def time_text(at_ms: int) -> str:
    """As messages write it: UTC with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
