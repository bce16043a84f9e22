"""What `foretell model monitoring` draws."""

from typing import Any

import pytest

from foretell.cli.monitoring import bars, draw

BINS = [
    {"kind": "range", "low": None, "high": 1.0, "count": 1, "expected": 8},
    {"kind": "range", "low": 1.0, "high": None, "count": 8, "expected": 4},
    {"kind": "missing", "count": 3, "expected": 0},
]


def distribution(name: str, psi: float | None) -> dict[str, Any]:
    judged = {"psi": psi, "noise": 0.1, "level": "major", "note": None}
    return {"name": name, "type": "number", "rows": 12, "bins": BINS, **judged}


def found(days: int = 2) -> dict[str, Any]:
    day = {"errors": 0, "predictions": {}, "drift": {"age": 0.3}}
    return {
        "model": "churn",
        "version": 3,
        "from": "2026-11-25",
        "to": "2026-12-01",
        "calls": 1204,
        "errors": 3,
        "errors_by_problem": {"rows-invalid": 3},
        "rows": 1300,
        "latency_ms": {
            "p50": 0.2,
            "p90": 0.5,
            "p99": 1.5,
            "histogram": {"upper": [1, 2], "counts": [9, 1]},
        },
        "predictions": [distribution("prediction", None)],
        "drift": [distribution("plan", 0.01), distribution("age", 0.3)],
        "days": [
            {"day": f"2026-11-2{n}", "calls": n, **day} for n in range(1, days + 1)
        ],
        "versions": [{"version": 2, "calls": 7}, {"version": 3, "calls": 1204}],
        "notes": ["Something to know."],
    }


def test_blocks_say_how_much_and_show_what_is_there() -> None:
    assert bars([0, 1, 50, 100]) == " ▁▄█"
    assert bars([0, 0]) == "  "
    assert bars([0.05], least=0.25) == "▂"


def test_the_columns_that_moved_most_come_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw(found())
    text = capsys.readouterr().out
    assert "churn version 3, 2026-11-25 to 2026-12-01" in text
    assert "calls    1,204   errors 3 (rows-invalid 3)   rows 1,300" in text
    assert "p50 0.20   p90 0.50   p99 1.50 ms" in text
    assert text.index("age") < text.index("plan")
    line = next(line for line in text.splitlines() if line.startswith("age"))
    assert line.split()[:6] == ["age", "0.300", "major", "12", "25.0%", "█▄"]
    assert "calls of other versions   2: 7" in text
    assert text.rstrip().endswith("Something to know.")


def test_of_many_columns_the_rest_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wide = found(days=1) | {"drift": [distribution(f"x{n}", n / 9) for n in range(9)]}
    draw(wide, limit=2)
    text = capsys.readouterr().out
    assert "and 7 that moved less" in text
    assert "x8" in text
    assert "x6" not in text
