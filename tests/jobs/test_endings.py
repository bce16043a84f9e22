"""What becomes of a job when a try ends."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from foretell import errors
from foretell.core.clock import FakeClock
from foretell.jobs import endings
from foretell.jobs.failures import problem_of, wait_before_retry

NOW = FakeClock().now()


@dataclass(frozen=True)
class Facts:
    attempt: int = 1
    max_attempts: int = 3
    deaths: int = 0
    timeout_seconds: float = 60.0


def test_every_kind_has_a_status_of_its_own() -> None:
    statuses = [kind.status for kind in errors.KINDS]
    assert len(set(statuses)) == len(statuses)
    assert all(400 <= status < 600 for status in statuses)


@given(st.integers(1, 60), st.floats(0, 3600))
def test_a_retry_waits_at_least_what_was_asked_and_at_most_ten_minutes_else(
    attempt: int, least: float
) -> None:
    delay = endings.retry_delay(attempt, at_least=least)
    assert least <= delay <= max(least, 600.0, 2.0**0)


def test_the_last_attempt_is_the_end() -> None:
    assert not endings.failed(Facts(attempt=2), {}, 1.0, NOW).state.is_final
    assert endings.failed(Facts(attempt=3), {}, 1.0, NOW).state.is_final


def test_the_first_death_runs_at_once_and_later_ones_wait() -> None:
    first = endings.worker_died(Facts(), NOW, is_cancelled=False, is_overdue=False)
    third = endings.worker_died(
        Facts(deaths=2), NOW, is_cancelled=False, is_overdue=False
    )
    assert "run_at" not in first.values  # it keeps its place in the queue
    assert third.values["run_at"] > NOW
    assert first.values["attempt"] == 0


def test_only_some_errors_are_worth_another_try() -> None:
    assert wait_before_retry(errors.Unavailable("x", retry_after_seconds=7)) == 7
    assert wait_before_retry(KeyError("x")) == 0
    assert wait_before_retry(errors.NotFound("x")) is None


def test_a_problem_keeps_context_and_fields() -> None:
    field = errors.FieldError("/a", "bad", "code")
    problem = problem_of(errors.Invalid("No.", errors=[field], dataset="sales"))
    assert problem["status"] == 422
    assert problem["dataset"] == "sales"
    assert problem["errors"][0]["pointer"] == "/a"
