"""For those who watch over the process: does it live, can it work, what does it count."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.caller import FOR_ALL, Anyone
from api.metrics import CONTENT_TYPE, Metrics
from api.problems import Problem, declared
from api.state import Hub
from domain.errors import StorageUnavailable
from storage import revisions

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """It lives."""

    status: str


class Readiness(BaseModel):
    """It can work. `hub` tells whether a gateway is there, which is not this process's matter."""

    status: str
    database: str
    hub: bool


@router.get("/healthz", response_model=Health)
async def healthz() -> Health:
    """This process answers."""
    return Health(status="ok")


@router.get("/readyz", response_model=Readiness, responses=declared(503))
def readyz(hub: Hub) -> Readiness:
    """The database answers, and has the shape that this code expects."""
    try:
        with hub.db.read() as conn:
            found = revisions.revision(conn)
    except StorageUnavailable:
        raise Problem(503, "database_unavailable", "The database does not answer.") from None
    if found != revisions.newest():
        raise Problem(
            503,
            "database_shape",
            f"The database is at {found}, this code needs {revisions.newest()}: run ./waystation db upgrade.",
        )
    if not hub.feed.fresh():
        raise Problem(503, "feed_behind", "The live feed has not read the database for a while.")
    return Readiness(status="ok", database=found, hub=bool(hub.feed.hub()["ok"]))


@router.get(
    "/metrics",
    response_class=Response,
    openapi_extra=FOR_ALL,
    responses={
        200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **declared(401, 403, 503),
    },
)
def metrics(request: Request, caller: Anyone) -> Response:
    """Counts for Prometheus: from this machine, or with a token that may read alerts of the whole hub."""
    if not _is_local(request) and (caller is None or caller.area or not caller.may("alerts:read")):
        raise Problem(
            401 if caller is None else 403,
            "not_for_all",
            "From elsewhere this needs a token with alerts:read and no area.",
            headers={"WWW-Authenticate": "Bearer"} if caller is None else None,
        )
    counted: Metrics = request.app.state.metrics
    return Response(counted.text(), media_type=CONTENT_TYPE)


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
