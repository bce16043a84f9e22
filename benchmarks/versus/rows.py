"""A row is one question that both servers are asked over HTTP, and what they did.

The function of a row knows no server: it gets a `Side`, sends, and says in a few
words what came back and whether that is what a user needs. Its number is that of
docs/coverage.md.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from benchmarks.versus.sides import Side

WORDS = 46


@dataclass(frozen=True, slots=True)
class Seen:
    """What one side did: a few words, and whether it is right."""

    words: str
    is_right: bool


Probe = Callable[["Side"], Seen]


@dataclass(frozen=True, slots=True)
class Row:
    """One question; `number` such as `D15`."""

    number: str
    title: str
    probe: Probe

    def ask(self, side: "Side") -> Seen:
        """What the side does. No answer at all is an answer too."""
        try:
            return self.probe(side)
        except httpx2.TimeoutException:
            return Seen("no answer", False)
        except httpx2.TransportError as error:
            return Seen(type(error).__name__, False)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            # The answer has not the shape that the row reads.
            return Seen(f"{side.last} ({type(error).__name__})", False)


ROWS: list[Row] = []


def row(number: str, title: str) -> Callable[[Probe], Probe]:
    """Make a function the probe of a row."""

    def keep(probe: Probe) -> Probe:
        ROWS.append(Row(number, title, probe))
        return probe

    return keep


def told(answer: httpx2.Response) -> str:
    """Status and the beginning of what the answer says."""
    text = answer.text
    if answer.headers.get("content-type", "").endswith("json"):
        document = answer.json()
        if isinstance(document, dict):
            text = str(document.get("detail", document.get("error", text)))
    return f"{answer.status_code} {' '.join(text.split())}"[:WORDS]


def by_status(answer: httpx2.Response, *right: int) -> Seen:
    """Right if the status is one of `right`."""
    return Seen(told(answer), answer.status_code in right)


def all_by_status(answers: Iterable[httpx2.Response], *right: int) -> Seen:
    """Right if every status is one of `right`."""
    statuses = [answer.status_code for answer in answers]
    words = " ".join(str(status) for status in statuses)
    return Seen(words, all(status in right for status in statuses))


def counted(values: Iterable[Any]) -> str:
    """`1 x 201, 7 x 500`."""
    found = list(values)
    return ", ".join(f"{found.count(v)} x {v}" for v in dict.fromkeys(sorted(found)))


def until(is_so: Callable[[], Any], seconds: float) -> bool:
    """Look again and again, at most so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.05)
    return bool(is_so())
