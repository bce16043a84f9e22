"""The dialect of the token endpoint: forms in, `{error, error_description}` out.

RFC 6749 fixes both, whatever the rest of the API speaks. Bodies are read here and
not by FastAPI: a JSON body or a parameter sent twice is an OAuth error with its
own words, not a validation problem.
"""

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from foretell.auth.errors import GrantRefused
from foretell.errors import ForetellError
from foretell.http.problems import Problem, problem_of

MAX_FORM_BYTES = 64 * 1024
_MAX_FIELDS = 32
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_ERRORS = {429: "slow_down", 503: "temporarily_unavailable", 500: "server_error"}


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a token request.

    Raises:
        GrantRefused: The body is no form, or gives a parameter twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        words = "Send the parameters as application/x-www-form-urlencoded."
        raise GrantRefused("invalid_request", words)
    try:
        text = (await request.body()).decode("utf-8")
        pairs = parse_qsl(
            text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise GrantRefused("invalid_request", "The form cannot be read.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise GrantRefused("invalid_request", "A parameter stands twice.")
    return form


def needed(form: dict[str, str], name: str) -> str:
    """A parameter that must be there.

    Raises:
        GrantRefused: It is not.
    """
    value = form.get(name, "")
    if not value:
        raise GrantRefused("invalid_request", f"The parameter {name} is missing.")
    return value


def token_response(body: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(body, status_code=status, headers=_NO_STORE)


def refusal(error: ForetellError) -> Response:
    """The OAuth answer for a refusal."""
    if isinstance(error, GrantRefused):
        return _error(400, error.error, error.detail, {})
    return _of(problem_of(error))


def render_oauth_problem(request: Request, problem: Problem) -> Response:
    """The renderer of `/token*`, for what is refused outside the routes."""
    return _of(problem)


def _of(problem: Problem) -> Response:
    code = _ERRORS.get(problem.status, "invalid_request")
    return _error(problem.status, code, problem.detail, dict(problem.headers))


def _error(status: int, code: str, words: str, headers: dict[str, str]) -> Response:
    # RFC 6749 allows printable ASCII without " and \ in the description.
    plain = words.encode("ascii", "replace").decode().replace('"', "'")
    return JSONResponse(
        {"error": code, "error_description": plain.replace("\\", "/")},
        status_code=status,
        headers=headers | _NO_STORE,
    )
