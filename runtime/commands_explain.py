"""`waystation rules explain`: why an alert opened, by which rule, on what values, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runtime.installation import Installation
from runtime.output import moment, say, show_table

if TYPE_CHECKING:
    from storage.alert_story import Story


def explain(
    alert: Annotated[str, typer.Argument(help="The id of the alert, as lists and webhooks show it.")],
    lang: Annotated[str, typer.Option(help="zh or en.")] = "zh",
) -> None:
    """Say why an alert opened: rule and version, values with their ages, what it held back, what followed.

    Example: ./waystation rules explain 0199a1b2c3d4e5f6 --lang en
    """
    from storage.alert_story import story_of

    if lang not in ("zh", "en"):
        raise typer.BadParameter("choose zh or en", param_hint="--lang")
    database = Installation.from_environment().database()
    try:
        with database.read() as connection:
            story = story_of(connection, alert)
    finally:
        database.close()
    _tell(story, lang)


def _tell(story: Story, lang: str) -> None:
    from rules.story_text import age_in, reason_in, state_in

    def word(zh: str, en: str) -> str:
        return en if lang == "en" else zh

    found = story.alert
    say(found.text_en if lang == "en" else found.text_zh)
    where = f"{found.device.station} {found.device.short}" + (f" #{found.part}" if found.part else "")
    say(f"{found.id} · {found.code} · {where}")
    say("")
    book = word(f"规则（第 {found.rulebook_version} 版）", f"Rule (rulebook {found.rulebook_version})")
    say(f"{book}：" if lang == "zh" else f"{book}:")
    say(story.rule_text or word("  这条规则的文字已找不到", "  its text is not there any more"))
    say("\n" + word("当时的数值：", "What it saw:"))
    if not story.noted:
        say(word("  （当时还没有记录来源）", "  (from before sources were kept)"))
    show_table(
        ("name", "value", "unit", "when", "age", "said by", "boot", "seq"),
        (
            (
                one.name, one.value, one.unit, moment(one.as_of_ms),
                None if one.as_of_ms is None else age_in(found.learned_ms - one.as_of_ms, lang),
                one.device, one.boot, one.seq,
            )
            for one in story.seen
        ),
        word("没有数值。", "No values."),
    )  # fmt: skip
    say("\n" + word("经过：", "What happened:"))
    show_table(
        ("when", "what", "why", "by"),
        ((moment(t.at_ms), state_in(t.state, lang), reason_in(t.reason, lang), t.by) for t in story.turns),
        "",
    )
    if story.inhibits:
        say("\n" + word("它压住的报警：", "While open it holds back: ") + ", ".join(story.inhibits))
    for id_, code in story.held:
        say(word(f"  之后才报的：{code}（{id_}）", f"  opened only afterwards: {code} ({id_})"))
    for one in story.waiting:
        say(word(f"  现在等着的：{one}", f"  waiting now: {one}"))
    say("\n" + word("由它下的命令：", "Commands that followed:"))
    show_table(
        ("when", "device", "command", "state", "why"),
        (
            (
                moment(one.steps[0].at_ms if one.steps else None), one.device,
                " ".join((one.action, *(f"{k}={v}" for k, v in one.args.items()))),
                " → ".join(step.state for step in one.steps) or one.state, one.reason,
            )
            for one in story.commands
        ),
        word("没有。", "None."),
    )  # fmt: skip
