"""A problem document means the same error on both sides."""

import httpx2
import pytest

from foretell import errors
from foretell.client.problems import error_of_problem, error_of_response
from foretell.http.problems import problem_document, problem_of

KINDS = [
    errors.NotFound("Gone fishing."),
    errors.Gone("Deleted."),
    errors.Conflict("Taken."),
    errors.PreconditionFailed("Changed."),
    errors.Invalid("Wrong.", errors=[errors.FieldError("/a/0", "too small", "range")]),
    errors.UnsupportedFormat("A picture."),
    errors.Unauthenticated("Who?"),
    errors.Forbidden("No.", scope="models:write"),
    errors.TooLarge("Big.", limit=5),
    errors.Throttled("Slow down.", retry_after_seconds=7),
    errors.Unavailable("Away.", retry_after_seconds=7),
    errors.OutOfSpace("Full."),
]


@pytest.mark.parametrize("error", KINDS, ids=lambda e: type(e).__name__)
def test_an_error_survives_the_way_to_the_client(error: errors.ForetellError) -> None:
    document = problem_document(problem_of(error), "/api/x", "r-1")
    found = error_of_problem(document, retry_after_seconds=7)
    assert type(found) is type(error)
    assert (found.slug, found.title, found.detail) == (
        error.slug,
        error.title,
        error.detail,
    )
    assert found.errors == error.errors
    assert found.context["request_id"] == "r-1"
    assert error.context.items() <= found.context.items()
    assert getattr(found, "retry_after_seconds", 7) == 7


def test_a_slug_of_the_server_does_not_change_the_class() -> None:
    error_of_problem({"status": 404, "type": "https://x/problems/dataset-not-found"})
    assert errors.NotFound.slug == "not-found"


def test_an_answer_of_a_proxy_is_still_an_error() -> None:
    found = error_of_response(httpx2.Response(502, text="<h1>Bad Gateway</h1>"))
    assert type(found) is errors.ForetellError
    assert found.detail == "The server answered 502."


def test_refusals_of_the_token_endpoint_are_read() -> None:
    body = {"error": "invalid_grant", "error_description": "Wrong password."}
    found = error_of_response(httpx2.Response(400, json=body))
    assert isinstance(found, errors.Invalid)
    assert found.detail == "Wrong password."


def test_the_pause_that_the_server_asks_for_is_kept() -> None:
    response = httpx2.Response(429, json={"detail": "x"}, headers={"Retry-After": "9"})
    found = error_of_response(response)
    assert isinstance(found, errors.Throttled)
    assert found.retry_after_seconds == 9
