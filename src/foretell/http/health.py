"""Liveness, readiness with the state of each part, metrics, version."""

import asyncio
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from foretell.core.logs import get_logger
from foretell.errors import ForetellError
from foretell.http.metrics import Metrics
from foretell.http.routing import public, router
from foretell.http.state import Check, state

log = get_logger("foretell.health")
routes = router(tags=["about"])
CHECK_TIMEOUT_SECONDS = 2.0
VERSION = version("foretell")


class HealthRead(BaseModel):
    """The process answers."""

    status: str = "ok"


class ReadyRead(BaseModel):
    """Whether each part does its work. `status` is `ok`, `degraded` (something is away
    that no request needs) or `unavailable`."""

    status: str
    parts: dict[str, dict[str, Any]]


class VersionRead(BaseModel):
    version: str


@routes.get("/healthz", response_model=HealthRead, dependencies=[public])
async def healthz() -> HealthRead:
    """Say that the event loop turns. Asks nothing else."""
    return HealthRead()


@routes.get(
    "/readyz",
    response_model=ReadyRead,
    responses={503: {"model": ReadyRead, "description": "A part does not answer."}},
    dependencies=[public],
)
async def readyz(request: Request) -> Response:
    """Say whether requests will succeed, part by part."""
    checks = state(request).checks
    parts = dict(
        zip(checks, await asyncio.gather(*map(_checked, checks.values())), strict=True)
    )
    failing = [part for part in parts.values() if not part["ok"]]
    is_ready = not any(part.get("is_required", True) for part in failing)
    status = "degraded" if failing else "ok"
    body = ReadyRead(status=status if is_ready else "unavailable", parts=parts)
    return JSONResponse(body.model_dump(), 200 if is_ready else 503)


@routes.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=[public],
)
async def metrics(request: Request) -> Response:
    """Prometheus figures."""
    figures: Metrics = request.app.state.metrics
    figures.observe_database(state(request).database.pool_status())
    return Response(
        figures.render(), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


@routes.get("/api/version", response_model=VersionRead, dependencies=[public])
async def read_version() -> VersionRead:
    """The version of Foretell that answers."""
    return VersionRead(version=VERSION)


async def _checked(check: Check) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return {"ok": True, **await check()}
    except TimeoutError:
        return {"ok": False, "reason": "no answer in time"}
    except ForetellError as error:
        return {"ok": False, "reason": error.detail}
