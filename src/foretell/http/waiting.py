"""`Prefer: wait=SECONDS` (RFC 7240): answer the finished thing, not the promise.

Runs after the transaction has committed and holds nothing while it waits.
"""

import re

import orjson
from starlette.requests import Request
from starlette.responses import Response

from foretell.http import inside
from foretell.http.problems import MEDIA_TYPE
from foretell.http.state import Outcome, state

MAX_WAIT_SECONDS = 60
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*(\d{1,6})\s*(?:$|[,;])")
_JOB = re.compile(r"/api/jobs/([^/?]+)$")


async def finish(
    request: Request, response: Response, *, patience: int = 0
) -> Response:
    """Wait for the job of a 202 answer when the caller prefers to.

    Args:
        patience: Seconds to wait where the caller does not say; the answer is then
            what the route makes, with 200, and not something created.
    """
    waiter = state(request).waiter
    preferred = _preferred_wait(request)
    seconds = patience if preferred is None else preferred
    job = _JOB.search(response.headers.get("location", ""))
    if response.status_code != 202 or waiter is None or seconds == 0 or job is None:
        return response
    outcome = await waiter.wait(job.group(1), seconds)
    if outcome is None:
        return response
    finished = await _answer(request, response.headers["location"], outcome)
    if patience and finished.status_code == 201:
        finished.status_code = 200
    if preferred is not None:
        finished.headers["Preference-Applied"] = f"wait={seconds}"
    return finished


async def _answer(request: Request, job: str, outcome: Outcome) -> Response:
    if request.url.path.endswith("/api/jobs"):
        return await inside.get(request, job)
    if not outcome.succeeded:
        problem = outcome.problem or {"status": 500}
        body = {
            **problem,
            "instance": request.url.path,
            "request_id": request.scope["state"].get("request_id", ""),
        }
        return Response(
            orjson.dumps(body), int(problem.get("status", 500)), media_type=MEDIA_TYPE
        )
    location = job
    if outcome.location is not None:  # `job` has the mount prefix already
        location = request.scope.get("root_path", "") + outcome.location
    answer = await inside.get(request, location)
    answer.headers["Location"] = location
    if answer.status_code == 200:
        answer.status_code = 201
    return answer


def _preferred_wait(request: Request) -> int | None:
    found = _WAIT.search(request.headers.get("prefer", "").lower())
    return min(int(found.group(1)), MAX_WAIT_SECONDS) if found else None
