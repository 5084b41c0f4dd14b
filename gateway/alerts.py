"""What rules decided, turned into rows to write: alerts that open or end, and things to ask of devices."""

from __future__ import annotations

from collections.abc import Iterable

from domain.ids import DeviceId
from gateway.fleet import AlertKey
from gateway.overlay import Ended, Opened, Overlay, Wanted
from rules.effects import Effect, OpenAlert, ResolveAlert
from storage.commands import new_id


def take_effects(overlay: Overlay, device: DeviceId, effects: Iterable[Effect], adcode: str) -> None:
    """Note effects about `device` in the overlay. An alert that is open already stays the one it is."""
    because: dict[str, AlertKey] = {}
    for effect in effects:
        if isinstance(effect, OpenAlert):
            _open(overlay, effect, adcode)
            because[effect.code] = AlertKey(effect.device, effect.part, effect.code)
        elif isinstance(effect, ResolveAlert):
            _end(overlay, effect)
        else:
            key = because.get(effect.code) or overlay.open_key(device, effect.code)
            if key is not None:
                overlay.wanted.append(Wanted(effect, key))


def _open(overlay: Overlay, effect: OpenAlert, adcode: str) -> None:
    key = AlertKey(effect.device, effect.part, effect.code)
    known = overlay.opened.get(key)
    if known is not None:
        if effect.refuse_entry and not known.effect.refuse_entry:
            overlay.opened[key] = known._replace(effect=effect)
        return
    if overlay.alert_is_open(key):
        id_ = overlay.alert_id(key) or ""
        overlay.repeated.append(Opened(id_, effect, effect.device.station, adcode))
        overlay.stations.add(effect.device.station)
        return
    overlay.opened[key] = Opened(new_id(overlay.now_ms), effect, effect.device.station, adcode)
    overlay.count("alerts_opened")
    overlay.stations.add(effect.device.station)


def _end(overlay: Overlay, effect: ResolveAlert) -> None:
    key = AlertKey(effect.device, effect.part, effect.code)
    if key in overlay.opened:
        # Opened and ended within one batch: it still happened, so both rows are written.
        opened = overlay.opened[key]
        overlay.short_lived.append((opened, Ended(key, overlay.note_of(opened), effect.at_ms, effect.reason)))
        del overlay.opened[key]
    elif (note := overlay.fleet.open_alerts.get(key)) is not None and overlay.alert_is_open(key):
        overlay.ended.append(Ended(key, note, effect.at_ms, effect.reason))
    else:
        return
    overlay.count("alerts_ended")
    overlay.stations.add(effect.device.station)
