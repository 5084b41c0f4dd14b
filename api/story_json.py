"""The story of an alert as the API tells it."""

from __future__ import annotations

from typing import Any

from api.times import text_of
from rules.story_text import reason_in, state_in
from storage.alert_story import Story, Turn
from storage.rulebooks import PROVINCE


def explanation_json(story: Story) -> dict[str, Any]:
    """Everything that `Story` holds."""
    alert = story.alert
    return {
        "alert": alert.id,
        "text_zh": alert.text_zh,
        "text_en": alert.text_en,
        "noted": story.noted,
        "cause": story.cause,
        "rule": {
            "version": alert.rulebook_version,
            "area": "" if story.area == PROVINCE else story.area,
            "loaded": text_of(story.loaded_ms),
            "code": alert.code,
            "text": story.rule_text,
        },
        "values": [
            {
                "name": one.name,
                "value": one.value,
                "unit": one.unit,
                "as_of": text_of(one.as_of_ms),
                "age_s": None if one.as_of_ms is None else max(0, alert.learned_ms - one.as_of_ms) / 1000,
                "device": one.device,
                "boot": one.boot,
                "seq": one.seq,
            }
            for one in story.seen
        ],
        "held_by": list(story.held_by),
        "inhibits": list(story.inhibits),
        "held": [{"id": id_, "code": code} for id_, code in story.held],
        "waiting": list(story.waiting),
        "turns": [_turn(one) for one in story.turns],
        "commands": [
            {
                **{
                    name: getattr(one, name) for name in ("id", "device", "action", "args", "state", "reason")
                },
                "steps": [
                    {"state": step.state, "at": text_of(step.at_ms), "detail": step.detail}
                    for step in one.steps
                ],
            }
            for one in story.commands
        ],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "state": turn.state,
        "at": text_of(turn.at_ms),
        "reason": turn.reason,
        "by": turn.by,
        **{
            language: ": ".join(
                word for word in (state_in(turn.state, language), reason_in(turn.reason, language)) if word
            )
            for language in ("zh", "en")
        },
    }
