"""Rows about the service as a whole."""

import re

from benchmarks.versus.rows import Seen, row
from benchmarks.versus.sides import FRONT_END, Side

# What happens when the file of the model is wrong, by row.
FILES = {
    "D3": "no model file",
    "D4": "a pickle of a class of a notebook",
    "D5": "ten bytes of ONNX",
    "D6": "a hostile pickle",
}


def _start(number: str) -> None:
    @row(number, f"start with {FILES[number]}")
    def started(side: Side) -> Seen:
        return side.start_with(number)


for _number in FILES:
    _start(_number)


@row("D83", "refusals so far that are problem documents with an id")
def problems(side: Side) -> Seen:
    good, all_ = side.problems, side.refusals
    words = f"{good} of {all_}, connection cut {side.cuts} times"
    return Seen(words, good == all_ and side.cuts == 0)


@row("D84", "preflight of a browser front end")
def preflight(side: Side) -> Seen:
    headers = {"Origin": FRONT_END, "Access-Control-Request-Method": "POST"}
    answer = side.ask(side.stranger(), "OPTIONS", "/api/predict", headers=headers)
    found = answer.headers.get("access-control-allow-origin", "no header")
    return Seen(f"{answer.status_code} {found}", found == FRONT_END)


@row("D85", "/docs: what does it load from other hosts?")
def documents(side: Side) -> Seen:
    page = side.ask(side.stranger(), "GET", "/docs").text
    hosts = re.findall(r"(?:src|href)=[\"']https?://([^/\"']+)", page)
    return Seen(", ".join(sorted(set(hosts))) or "nothing", not hosts)


@row("D86", "metrics; an id for each request")
def metrics(side: Side) -> Seen:
    answer = side.ask(side.stranger(), "GET", "/metrics")
    has_id = "x-request-id" in answer.headers
    return Seen(
        f"{answer.status_code}, {'an' if has_id else 'no'} id",
        answer.status_code == 200 and has_id,
    )
