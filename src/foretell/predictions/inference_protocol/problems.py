"""The protocol's own shape of a refusal."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from foretell.http.problems import Problem


def render_inference_error(_request: Request, problem: Problem) -> Response:
    """`{"error": …}`, with the status and headers of the problem."""
    words = problem.detail or problem.title
    if problem.errors:
        fields = (f"{e.pointer or 'body'}: {e.message}" for e in problem.errors[:3])
        words = f"{words} ({'; '.join(fields)})"
    return Response(
        orjson.dumps({"error": words}),
        problem.status,
        dict(problem.headers),
        "application/json",
    )
