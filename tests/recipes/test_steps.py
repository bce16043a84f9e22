"""Golden rows for every step: nulls, NaN, unicode, empty text, big integers, clocks."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from foretell.recipes.errors import RecipeInvalid, RecipeStepFailed
from foretell.recipes.recipe import STEPS
from tests.recipes.running import run

BIG = 2**53 + 1
NAN = math.nan
FRAME = pl.DataFrame(
    {
        "s": [" Ab ", "", None, "ß", "İ x", "a-b-c"],
        "x": [1.5, None, NAN, -0.0, 2.0, 3.0],
        "i": [1, BIG, None, 4, 4, -(2**63)],
        "g": ["a", "a", "b", None, "b", "a"],
    }
)
OTHER = pl.DataFrame({"g": ["a", "a", None, "z"], "x": [9.0, 8.0, 7.0, NAN]})


def columns(folder, *steps, frame=FRAME, others=None):
    """The columns after the steps, NaN as text so that it equals itself."""
    ran = run(folder, frame, list(steps), others=others)
    made = ran.frame.to_dict(as_series=False)
    return {
        name: ["nan" if isinstance(v, float) and math.isnan(v) else v for v in values]
        for name, values in made.items()
    }


GOLDEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "rename": ({"columns": {"s": "x", "x": "s"}}, {"x": FRAME["s"].to_list()}),
    "trim": ({"columns": ["s"]}, {"s": ["Ab", "", None, "ß", "İ x", "a-b-c"]}),
    "lower": (
        {"step": "case", "columns": ["s"], "to": "lower"},
        {"s": [" ab ", "", None, "ß", "i̇ x", "a-b-c"]},
    ),
    "upper": (
        {"step": "case", "columns": ["s"], "to": "upper"},
        {"s": [" AB ", "", None, "SS", "İ X", "A-B-C"]},
    ),
    "title": (
        {"step": "case", "columns": ["s"], "to": "title"},
        {"s": [" Ab ", "", None, "Ss", "İ X", "A-B-C"]},
    ),
    "replace": (
        {"columns": ["s"], "old": "-", "new": ""},
        {"s": [" Ab ", "", None, "ß", "İ x", "abc"]},
    ),
    "replace regex": (
        {"columns": ["s"], "old": "^(\\w)-", "new": "$1+", "regex": True},
        {"s": [" Ab ", "", None, "ß", "İ x", "a+b-c"]},
    ),
    "replace values": (
        {"columns": ["s"], "values": {"": None, "ß": "ss"}},
        {"s": [" Ab ", None, None, "ss", "İ x", "a-b-c"]},
    ),
    "extract": (
        {"column": "s", "pattern": "([a-zß])$", "into": "e"},
        {"e": [None, None, None, "ß", "x", "c"]},
    ),
    "split": (
        {"column": "s", "by": "-", "into": ["p", "q"]},
        {
            "p": [" Ab ", "", None, "ß", "İ x", "a"],
            "q": [None, None, None, None, None, "b-c"],
        },
    ),
    "fill constant": (
        {"columns": ["x"], "value": 7},
        {"x": [1.5, 7.0, "nan", -0.0, 2.0, 3.0]},
    ),
    "fill mean": (
        {"columns": ["x"], "method": "mean"},
        {"x": [1.5, 1.625, "nan", -0.0, 2.0, 3.0]},
    ),
    "fill median": (
        {"columns": ["x"], "method": "median"},
        {"x": [1.5, 1.75, "nan", -0.0, 2.0, 3.0]},
    ),
    "fill forward": (
        {"columns": ["s", "g"], "method": "forward"},
        {
            "s": [" Ab ", "", "", "ß", "İ x", "a-b-c"],
            "g": ["a", "a", "b", "b", "b", "a"],
        },
    ),
    "drop_null": ({"columns": ["x", "i"]}, {"i": [1, 4, 4, -(2**63)]}),
    "drop_null all": (
        {"columns": ["s", "i"], "how": "all"},
        {"i": [1, BIG, 4, 4, -(2**63)]},
    ),
    "dedupe": ({"columns": ["g"]}, {"i": [1, None, 4]}),
    "dedupe last": ({"columns": ["g"], "keep": "last"}, {"i": [4, 4, -(2**63)]}),
    "dedupe none": ({"columns": ["g"], "keep": "none"}, {"i": [4]}),
    "filter": ({"where": "x > 1.5"}, {"x": ["nan", 2.0, 3.0]}),
    "derive": (
        {"column": "z", "expression": "i + 1"},
        {"z": [2, BIG + 1, None, 5, 5, -(2**63) + 1]},
    ),
    "derive constant": ({"column": "z", "expression": "1 + 1"}, {"z": [2] * 6}),
    "bin": (
        {"column": "x", "edges": [0, 2]},
        {"x_bin": ["[0, 2)", None, None, "[0, 2)", ">= 2", ">= 2"]},
    ),
    "bin labels": (
        {"column": "i", "edges": [0], "labels": ["down", "up"], "into": "d"},
        {"d": ["up", "up", None, "up", "up", "down"]},
    ),
    "one_hot": (
        {"column": "g"},
        {"g_a": [1, 1, 0, 0, 0, 1], "g_b": [0, 0, 1, 0, 1, 0]},
    ),
    "one_hot values": (
        {"column": "i", "values": [4, BIG], "prefix": "is"},
        {"is4": [0, 0, 0, 1, 1, 0], f"is{BIG}": [0, 1, 0, 0, 0, 0]},
    ),
    "sort": (
        {"by": ["-x"]},
        {"x": ["nan", 3.0, 2.0, 1.5, -0.0, None]},
    ),
    "sort ties": ({"by": ["g", "-i"]}, {"i": [BIG, 1, -(2**63), 4, None, 4]}),
    "row_number": (
        {"step": "window", "function": "row_number", "by": ["g"], "into": "n"},
        {"n": [1, 2, 1, 1, 2, 3]},
    ),
    "rank": (
        {"step": "window", "function": "rank", "order": ["-i"], "into": "n"},
        {"n": [4, 1, 6, 2, 2, 5]},
    ),
    "dense_rank": (
        {"step": "window", "function": "dense_rank", "order": ["g"], "into": "n"},
        {"n": [1, 1, 2, 3, 2, 1]},
    ),
    "lag": (
        {
            "step": "window",
            "function": "lag",
            "column": "i",
            "by": ["g"],
            "order": ["x"],
            "into": "n",
        },
        {"n": [None, -(2**63), 4, None, None, 1]},
    ),
    "cumsum": (
        {
            "step": "window",
            "function": "cumsum",
            "column": "x",
            "by": ["g"],
            "into": "n",
        },
        {"n": [1.5, None, "nan", -0.0, "nan", 4.5]},
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_rows(tmp_path, name):
    fields, expected = GOLDEN[name]
    found = columns(tmp_path, {"step": name.split()[0], **fields})
    assert {key: found[key] for key in expected} == expected


def test_every_step_has_golden_rows():
    golden = {
        fields.get("step", name.split()[0]) for name, (fields, _) in GOLDEN.items()
    }
    apart = {"select", "cast", "parse_date", "aggregate", "join", "union", "sample"}
    assert golden | apart == set(STEPS)
    assert not golden & apart


def test_select_keeps_the_order_asked_for(tmp_path):
    found = columns(tmp_path, {"step": "select", "columns": ["g", "s"]})
    assert list(found) == ["g", "s"]
    found = columns(tmp_path, {"step": "select", "drop": ["x"]})
    assert list(found) == ["s", "i", "g"]


def test_groups_come_in_the_order_of_their_first_row(tmp_path):
    measures = {
        "n": "count",
        "k": "count(x)",
        "d": "distinct(s)",
        "hi": "max(i)",
        "f": "first(i)",
        "m": "median(x)",
    }
    found = columns(tmp_path, {"step": "aggregate", "by": ["g"], "measures": measures})
    assert found == {
        "g": ["a", "b", None],
        "n": [3, 2, 1],
        "k": [2, 2, 1],
        "d": [3, 1, 1],
        "hi": [BIG, 4, 4],
        "f": [1, 4, 4],
        "m": [2.25, "nan", -0.0],
    }


def test_a_sum_beyond_64_bits_ends_the_run_and_is_none_that_came_round(tmp_path):
    frame = pl.DataFrame({"i": [2**62, 2**62]})
    step = {"step": "aggregate", "measures": ["sum(i)"]}
    with pytest.raises(RecipeStepFailed) as caught:
        run(tmp_path, frame, [step])
    assert caught.value.errors[0].pointer == "/steps/0"
    assert columns(tmp_path, step, frame=frame.head(1))["sum(i)"] == [2**62]


# --- other tables ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("left", [9.0, 8.0, 9.0, 8.0, None, None, None, 9.0, 8.0]),
        ("inner", [9.0, 8.0, 9.0, 8.0, 9.0, 8.0]),
    ],
)
def test_a_join_keeps_our_order_and_null_equals_nothing(tmp_path, how, expected):
    step = {"step": "join", "dataset": "o", "on": ["g"], "how": how}
    found = columns(tmp_path, step, others={"/steps/0": OTHER})
    assert found["x_2"] == expected


def test_semi_and_anti_joins_add_nothing(tmp_path):
    for how, kept in (("semi", [1, BIG, -(2**63)]), ("anti", [None, 4, 4])):
        step = {"step": "join", "dataset": "o", "on": {"g": "g"}, "how": how}
        found = columns(tmp_path, step, others={"/steps/0": OTHER})
        assert found == {**found, "i": kept}
        assert list(found) == FRAME.columns


def test_a_union_matches_columns_by_name(tmp_path):
    other = pl.DataFrame({"i": [0.5], "new": [True], "s": [" z "]})
    steps: list[dict[str, Any]] = [
        {"step": "union", "dataset": "o"},
        {"step": "trim", "columns": ["s"]},
    ]
    ran = run(tmp_path, FRAME, steps, others={"/steps/0": other})
    assert ran.frame["i"].to_list()[-2:] == [float(-(2**63)), 0.5]
    assert ran.frame["s"].to_list()[-1] == "z"
    assert ran.frame["new"].to_list() == [None] * 6 + [True]
    assert [(s.rows_in, s.rows_out) for s in ran.steps] == [(6, 7), (7, 7)]


# --- types ----------------------------------------------------------------------

CASTS = [
    (
        "integer",
        [" 12 ", "+7", "-0", "0042", str(2**63 - 1)],
        [12, 7, 0, 42, 2**63 - 1],
    ),
    ("integer", ["1.0", "", "x", str(2**63), "1_0", "٣"], None),
    ("float", ["1e3", ".5", "-2.", " 7 "], [1000.0, 0.5, -2.0, 7.0]),
    ("float", ["nan", "inf", "1e400", "0x1", "1,5"], None),
    ("decimal", ["1.10", "-0.01", "12"], [Decimal("1.10"), Decimal("-0.01"), 12]),
    ("decimal", ["1.105", "1e2", ""], None),
    ("boolean", ["TRUE", "no", "1", "F"], [True, False, True, False]),
    ("boolean", ["2", "maybe", ""], None),
    ("date", ["2024-02-29"], [date(2024, 2, 29)]),
    ("date", ["2023-02-29", "29.02.2024", "2024-2-9", ""], None),
    ("time", ["08:30", "23:59:59.5"], [time(8, 30), time(23, 59, 59, 500_000)]),
    ("time", ["24:00", "8:30"], None),
    (
        "timestamp",
        ["2024-10-27T02:30:00+02:00", "2024-10-27 02:30+01:00", "2024-10-27"],
        ["2024-10-27T00:30:00", "2024-10-27T01:30:00", "2024-10-27T00:00:00"],
    ),
    ("timestamp", ["yesterday", "2024-13-01", "2024-02-29T25:00"], None),
]


@pytest.mark.parametrize(("target", "texts", "values"), CASTS)
def test_texts_become_values_or_their_rows_are_rejected(
    tmp_path, target, texts, values
):
    frame = pl.DataFrame({"s": [*texts, None]})
    ran = run(tmp_path, frame, [{"step": "cast", "columns": {"s": target}}])
    if values is None:
        assert ran.frame["s"].to_list() == [None]
        assert [reject["line"] for reject in ran.rejects] == list(
            range(1, len(texts) + 1)
        )
        assert ran.steps[0].rejected == len(texts)
        return
    found = ran.frame["s"].to_list()[:-1]
    if target == "timestamp":
        found = [value.isoformat() for value in found]
    assert found == values


def test_numbers_are_cast_only_where_nothing_is_lost(tmp_path):
    cast = {"step": "cast", "columns": {"x": "integer"}, "on_error": "null"}
    assert columns(tmp_path, cast)["x"] == [None, None, None, 0, 2, 3]
    text = {"step": "cast", "columns": {"i": "text", "x": "text"}}
    found = columns(tmp_path, text)
    assert found["i"] == ["1", str(BIG), None, "4", "4", str(-(2**63))]
    fail = {**cast, "on_error": "fail"}
    with pytest.raises(RecipeStepFailed, match=r"1\.5"):
        run(tmp_path, FRAME, [fail])


def test_hours_that_the_clock_shows_twice_or_skips_are_misfits(tmp_path):
    texts = ["2024-10-27 00:30", "2024-10-27 02:30", "2024-03-31 02:30", "x", None]
    step: dict[str, Any] = {
        "step": "parse_date",
        "columns": ["t"],
        "formats": ["%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M"],
        "type": "timestamp",
        "timezone": "Europe/Zurich",
    }
    ran = run(tmp_path, pl.DataFrame({"t": texts}), [step])
    first = datetime(2024, 10, 26, 22, 30, tzinfo=UTC)
    assert ran.frame["t"].to_list() == [first, None]
    assert [reject["line"] for reject in ran.rejects] == [2, 3, 4]


def test_dates_are_read_by_the_first_format_that_fits(tmp_path):
    frame = pl.DataFrame({"d": ["2024-01-05", " 06.01.2024 ", "30.02.2024", ""]})
    step = {"step": "parse_date", "columns": ["d"], "formats": ["%Y-%m-%d", "%d.%m.%Y"]}
    ran = run(tmp_path, frame, [step])
    assert ran.frame["d"].to_list() == [date(2024, 1, 5), date(2024, 1, 6)]
    assert ran.rejects[0]["raw"] == '{"d":"30.02.2024"}'


# --- samples --------------------------------------------------------------------


def test_a_sample_is_the_same_for_one_seed_whatever_the_parts(tmp_path):
    frame = pl.DataFrame({"i": range(1000)})
    rows = [
        columns(tmp_path, {"step": "sample", "rows": 50, "seed": seed}, frame=frame)[
            "i"
        ]
        for seed in (1, 1, 2)
    ]
    assert rows[0] == rows[1] != rows[2]
    assert (len(rows[0]), rows[0]) == (50, sorted(rows[0]))
    part = columns(tmp_path, {"step": "sample", "fraction": 0.25}, frame=frame)["i"]
    assert 200 < len(part) < 300
    everything = columns(tmp_path, {"step": "sample", "rows": 9999}, frame=frame)["i"]
    assert everything == list(range(1000))


# --- the whole ------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"step": "filter", "where": "FALSE"}],
        [{"step": "sort", "by": ["s"]}, {"step": "dedupe"}],
        [{"step": "aggregate", "by": ["g"], "measures": ["count"]}],
        [{"step": "fill", "columns": ["x"], "method": "mean"}],
        [{"step": "fill", "columns": ["s"], "method": "forward"}],
        [{"step": "sample", "rows": 3}],
        [{"step": "one_hot", "column": "g", "drop": True}],
    ],
)
def test_a_table_without_rows_gives_one_without_rows(tmp_path, steps):
    assert run(tmp_path, FRAME.clear(), steps).frame.height == 0


def test_rows_and_rejects_are_the_rows_that_came(tmp_path):
    checks: list[dict[str, Any]] = [
        {"check": "not_null", "columns": ["s", "x"]},
        {"check": "unique", "column": "i"},
        {"check": "in_set", "column": "g", "values": ["a"], "severity": "warn"},
        {"check": "range", "column": "x", "min": -1, "max": 2},
    ]
    ran = run(tmp_path, FRAME, [{"step": "sort", "by": ["-i"]}], checks)
    assert ran.frame["s"].to_list() == ["ß", " Ab "]
    told = {r["line"]: r for r in ran.rejects}
    assert sorted(told) == [2, 3, 5, 6]
    assert [(told[n]["column"], told[n]["code"]) for n in (2, 3, 5, 6)] == [
        ("x", "not_null"),
        ("s", "not_null"),
        ("i", "unique"),
        ("x", "range"),
    ]
    assert told[3]["errors"].count("range") == 1
    assert [(c.check, c.failed) for c in ran.checks] == [
        ("not_null", 2),
        ("unique", 1),
        ("in_set", 2),
        ("range", 2),
    ]


@pytest.mark.parametrize(
    ("check", "failed"),
    [
        ({"check": "matches", "column": "s", "pattern": "[a-z-]+"}, 4),
        ({"check": "expression", "expression": "x <= 2"}, 2),
        ({"check": "references", "column": "g", "dataset": "o"}, 2),
        ({"check": "range", "column": "i", "max": 4.5}, 1),
        ({"check": "in_set", "column": "x", "values": [0, 1.5]}, 3),
    ],
)
def test_checks_let_null_pass(tmp_path, check, failed):
    ran = run(tmp_path, FRAME, [], [check], {"/checks/0": OTHER})
    assert (ran.checks[0].failed, len(ran.rejects)) == (failed, failed)


def test_large_tables_go_through_in_batches(tmp_path):
    count = 150_000
    frame = pl.DataFrame({"i": range(count), "s": [" a ", None, "b"] * (count // 3)})
    steps: list[dict[str, Any]] = [
        {"step": "trim", "columns": ["s"]},
        {"step": "fill", "columns": ["s"], "method": "forward"},
        {"step": "dedupe", "columns": ["i"]},
        {"step": "filter", "where": "i % 2 = 0"},
    ]
    checks = [{"check": "expression", "expression": "i % 1000 <> 0"}]
    ran = run(tmp_path, frame, steps, checks)
    assert ran.frame.height + len(ran.rejects) == count // 2
    assert ran.frame["s"].value_counts().sort("s").rows() == [
        ("a", count // 3 - 100),
        ("b", count // 6 - 50),
    ]
    assert [r["line"] for r in ran.rejects] == list(range(1, count, 1000))


def test_a_pattern_that_is_none_is_named(tmp_path):
    step = {"step": "extract", "column": "s", "pattern": "(", "into": "e"}
    with pytest.raises(RecipeInvalid) as caught:
        run(tmp_path, FRAME, [{"step": "trim", "columns": ["s"]}, step])
    assert caught.value.errors[0].pointer == "/steps/1/pattern"


def test_columns_may_be_called_anything(tmp_path):
    frame = pl.DataFrame(
        {"*": [1, 2], "^a.*$": [" x", "y "], "__row": [3, 4], "a": [0, 0]}
    )
    steps = [
        {"step": "trim", "columns": ["^a.*$"]},
        {"step": "derive", "column": "sum", "expression": '"*" + "__row"'},
        {"step": "sort", "by": ["-*"]},
        {"step": "aggregate", "by": ["^a.*$", "sum"], "measures": ["max(*)"]},
    ]
    found = columns(tmp_path, *steps, frame=frame)
    assert found == {"^a.*$": ["y", "x"], "sum": [6, 4], "max(*)": [2, 1]}
