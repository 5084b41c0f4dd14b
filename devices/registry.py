"""All device kinds, found by looking at the files beside this one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import devices
from devices.kind import Kind
from domain.errors import BadMessage


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by its name. Two files that claim one name stop the start."""
    found: dict[str, Kind] = {}
    for module in sorted(pkgutil.iter_modules(devices.__path__), key=lambda m: m.name):
        kind = getattr(importlib.import_module(f"devices.{module.name}"), "KIND", None)
        if kind is None:
            continue
        if kind.name in found:
            raise TypeError(f"devices/{module.name}.py: the kind {kind.name!r} is declared twice")
        if kind.name != module.name:
            raise TypeError(
                f"devices/{module.name}.py declares the kind {kind.name!r}: name the file after it"
            )
        found[kind.name] = kind
    return MappingProxyType(found)


def kind_of(name: str) -> Kind:
    """The kind of this name, or BadMessage."""
    kind = kinds().get(name)
    if kind is None:
        raise BadMessage("unknown_kind", "topic.kind", f"{name!r} is not one of {', '.join(kinds())}")
    return kind
