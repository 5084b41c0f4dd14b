"""Words for what happens to an alert, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping

STATES: Mapping[str, tuple[str, str]] = {
    "pending": ("开始满足条件", "the condition began to hold"),
    "held": ("被其他报警压住", "held back by another alert"),
    "firing": ("报警", "it fired"),
    "again": ("再次满足条件", "it began again"),
    "acknowledged": ("有人接手", "somebody takes care of it"),
    "resolved": ("结束", "it ended"),
}
REASONS: Mapping[str, tuple[str, str]] = {
    "when": ("条件成立", "the condition held"),
    "event": ("设备上报事件", "the device told an event"),
    "silent": ("太久没有消息", "nothing was heard for too long"),
    "late": ("迟到的消息", "a late message"),
    "cleared": ("条件已解除", "the condition is over"),
    "superseded": ("已并入更严重的警报", "a graver alert takes over"),
    "rule_removed": ("规则已取消", "its rule was removed"),
    "reset": ("人工复位", "reset by a person"),
}


def state_in(state: str, language: str) -> str:
    """A state of an alert's life, in `zh` or `en`."""
    return STATES.get(state, (state, state))[language == "en"]


def reason_in(reason: str | None, language: str) -> str:
    """Why it went there; what a person wrote, and codes, stay as they are."""
    return "" if reason is None else REASONS.get(reason, (reason, reason))[language == "en"]


def age_in(age_ms: int, language: str) -> str:
    """How old a value was."""
    seconds = max(0, age_ms) / 1000
    if language == "en":
        return f"{seconds:.1f} s before" if seconds < 120 else f"{seconds / 60:.0f} min before"
    return f"{seconds:.1f} 秒前" if seconds < 120 else f"{seconds / 60:.0f} 分钟前"
