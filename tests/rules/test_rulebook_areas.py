"""A county's own rules stand over the province's, and what differs between two books is told by field."""

from __future__ import annotations

import pytest

from domain.errors import BadRulebook
from domain.facts import Mark
from domain.ids import DeviceId
from rules.area_watch import AreaWatcher
from rules.effects import OpenAlert
from rules.rule_excerpt import excerpt
from rules.rulebook import Rulebook, load_rulebook, over
from rules.rulebook_diff import differences
from tests.rules.hub import SHIPPED, T0, Hub, shipped

TEXT = SHIPPED.read_text(encoding="utf-8")


def own(area: str, severity: str, version: int, above: Rulebook | None = None) -> Rulebook:
    word = {"major": ("严重", "Major"), "info": ("提示", "Notice")}[severity]
    text = f"""
rules:
  - code: lock_jammed
    kind: door_lock
    when: bolt == "jammed"
    inhibited_by: [station_offline]
    severity: {severity}
    texts: {{zh: "【{word[0]}】{{station}}：锁舌。", en: "[{word[1]}] {{station}}: the bolt."}}
"""
    return load_rulebook(text, version=version, area=area, above=above or shipped())


def jammed_at(station: str, watcher: AreaWatcher) -> tuple[str, int]:
    hub = Hub(DeviceId(station, "door_lock", 1))
    hub.watcher = watcher
    hub.say(0, bolt="jammed")
    hub.wait(6)
    (alert,) = [one for one in hub.opened if one.code == "lock_jammed"]
    return alert.severity, alert.rulebook_version


def test_the_smallest_area_with_a_rule_of_its_own_decides_and_the_alert_names_that_book() -> None:
    books = [own("331002-0007", "info", 33), own("331002", "major", 32), own("3310", "info", 31)]
    division = {
        "331002-0001": "331002",
        "331002-0007": "331002",
        "331004-0001": "331004",
        "330102-0001": "330102",
    }
    watcher = AreaWatcher(shipped(), books, division.__getitem__, lambda one: (one, one))
    assert jammed_at("331002-0007", watcher) == ("info", 33)
    assert jammed_at("331002-0001", watcher) == ("major", 32)
    assert jammed_at("331004-0001", watcher) == ("info", 31)
    assert jammed_at("330102-0001", watcher) == ("major", 7)


def test_what_a_county_does_not_say_is_the_provinces_with_its_version() -> None:
    both = over(shipped(), own("331002", "info", 32))
    versions = {rule.code: rule.version for rule in both.rules}
    assert versions["lock_jammed"] == 32
    assert {version for code, version in versions.items() if code != "lock_jammed"} == {shipped().version}
    assert len(both.rules) == len(shipped().rules)


@pytest.mark.parametrize("code", [rule.code for rule in shipped().rules if rule.safety])
def test_a_safety_rule_is_everybodys(code: str) -> None:
    text = f"""
rules:
  - code: {code}
    kind: door_lock
    when: leaf == "open"
    severity: info
    texts: {{zh: "【提示】{{station}}：门。", en: "[Notice] {{station}}: door."}}
"""
    with pytest.raises(BadRulebook, match=f"{code}.code: is a safety rule of the larger area"):
        load_rulebook(text, version=1, area="331002", above=shipped())
    # Also one that was loaded before the province made it a safety rule.
    both = over(shipped(), load_rulebook(text, version=2, area="331002"))
    assert both.find(code) is not None
    assert both.find(code).safety  # type: ignore[union-attr]


def test_an_area_may_refer_to_the_provinces_alerts_and_not_to_ones_that_are_not_there() -> None:
    assert own("331002", "info", 1).rules[0].inhibited_by == ("station_offline",)
    with pytest.raises(BadRulebook, match="there is no rule 'station_offline'"):
        own("331002", "info", 1, above=Rulebook((), 0, "", shipped().kinds))


def test_a_difference_names_each_field_and_layout_is_none() -> None:
    laid_out = TEXT.replace("when: temp_c >= 60\n", "when: >-\n      temp_c >=\n      60\n")
    assert laid_out != TEXT
    assert differences(shipped().rules, load_rulebook("# so\n" + laid_out, version=2).rules) == ()
    new = over(shipped(), own("331002", "major", 2))
    (change,) = differences(shipped().rules, new.rules)
    assert (change.code, change.what, set(change.kinds)) == ("lock_jammed", "changed", {"door_lock"})
    assert change.fields["for"] == ("5s", "")
    assert change.fields["inhibited_by"] == ("", "station_offline")
    assert set(change.fields) == {"for", "clear", "clear_for", "inhibited_by", "zh", "en"}


def test_what_comes_and_goes_is_told_with_all_that_it_says() -> None:
    fewer = shipped().rules[1:]
    (gone,) = differences(shipped().rules, fewer)
    (came,) = differences(fewer, shipped().rules)
    assert (gone.what, came.what) == ("removed", "added")
    assert gone.safety
    assert came.fields["severity"] == ("", "emergency")


def test_one_rule_is_shown_as_it_was_written_without_its_cases() -> None:
    found = excerpt(TEXT, "battery_overheat")
    assert found is not None
    assert found.text.startswith("- code: battery_overheat\n  kind: swap_cabinet\n")
    assert "stop_charge" in found.text
    assert "must_fire" not in found.text
    offline = excerpt(TEXT, "station_offline")
    assert offline is not None
    assert "cabinet_offline" in offline.inhibits
    assert excerpt(TEXT, "never_was") is None
    assert excerpt("not: [a rulebook", "x") is None


def test_an_alert_carries_where_its_values_come_from_and_what_kept_it_back() -> None:
    hub = Hub(DeviceId("331002-0001", "swap_cabinet", 1))
    hub.open_codes = {"mains_lost"}
    hub.say(0, mains_ok=False)
    hub.say(25, mains_ok=False)
    hub.wait(40)
    assert hub.codes == set()
    hub.open_codes = set()
    hub.wait(120)
    alert = hub.open[0, "cabinet_power_lost"]
    assert isinstance(alert, OpenAlert)
    assert alert.basis.held_by == ("mains_lost",)
    assert alert.basis.pending_ms == T0
    assert alert.basis.marks == {"mains_ok": Mark(T0, 25_001, T0 + 25_000)}
