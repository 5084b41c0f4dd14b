"""What lists are asked with: areas, pages, times; each mistake is answered with its path."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AwareDatetime, BeforeValidator

AREA = r"^([0-9]{0,6}|[0-9]{6}-[0-9A-Za-z]{1,16})$"
STATION = r"^[0-9]{6}-[0-9A-Za-z]{1,16}$"
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _written_out(value: Any) -> Any:
    # Bare numbers would be taken as seconds or milliseconds, whichever looks likelier.
    if isinstance(value, str) and not _TIME.match(value):
        raise ValueError("must be a time such as 2026-11-23T12:00:00Z")
    if isinstance(value, str):
        return value.replace(" ", "+") if re.search(r" \d\d:\d\d$", value) else value
    if not isinstance(value, datetime):
        raise ValueError("must be a time such as 2026-11-23T12:00:00Z")
    return value


Area = Annotated[
    str,
    Query(pattern=AREA, description="first digits of a division code, or a station's id", examples=["3310"]),
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before")]
StationQuery = Annotated[str | None, Query(pattern=STATION, examples=["331002-0001"])]
StationPath = Annotated[str, Path(pattern=STATION, examples=["331002-0001"])]
KindPath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,31}$", examples=["swap_cabinet"])]
NumberPath = Annotated[int, Path(ge=0, le=999_999, examples=[1])]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), Query(examples=["2026-11-23T00:00:00Z"])]
