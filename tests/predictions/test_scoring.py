"""Batch predictions are the online ones, in the same order, whatever the columns."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from foretell.models.loading import open_predictor
from foretell.models.signature import InputField, OutputField, Signature
from foretell.predictions.answering import Answerer
from foretell.predictions.batch_messages import ScoreRequest, ScoreResult
from foretell.predictions.batching import demand_columns
from foretell.predictions.errors import BatchColumnsMissing, BatchRowInvalid
from foretell.predictions.scoring import column_values, output_names, score
from tests.models.application import IRIS, Trained

FRAME = pl.DataFrame(IRIS.data.to_dict("list"))


def scored(
    tmp_path: Path, trained: Trained, frame: pl.DataFrame, keep: list[str]
) -> tuple[ScoreResult, pl.DataFrame]:
    """Predict a dataset of two parts with a twin."""
    assert trained.twin is not None
    assert trained.result.twin is not None
    (tmp_path / "twin").write_bytes(trained.twin)
    parts = []
    for place, part in enumerate((frame[:100], frame[100:])):
        parts.append(str(tmp_path / f"in-{place}.parquet"))
        part.write_parquet(parts[-1])
    output = tmp_path / "out"
    output.mkdir()
    request = ScoreRequest(
        parts=parts,
        keep=keep,
        output=str(output),
        flavour="sklearn",
        path=str(tmp_path / "twin"),
        sha256=trained.result.twin.sha256,
        is_native=False,
        spec=trained.result.spec,
        signature=trained.result.signature,
    )
    result = score(request, lambda _progress: None)
    return result, pl.concat(pl.read_parquet(output / p.file) for p in result.parts)


def online(trained: Trained, frame: pl.DataFrame) -> list[Any]:
    assert trained.twin is not None
    signature = trained.result.signature
    predictor = open_predictor(trained.result.spec, signature, trained.twin)
    answerer = Answerer("m", 1, signature, predictor)
    rows = answerer.decode(orjson.dumps({"rows": frame.to_dicts()}))
    found: list[Any] = orjson.loads(answerer.answer(rows))["predictions"]
    return found


@pytest.mark.parametrize("name", ["logreg", "forest"])
def test_batch_equals_online_row_by_row(
    tmp_path: Path, request: pytest.FixtureRequest, name: str
):
    trained = request.getfixturevalue(name)
    result, made = scored(tmp_path, trained, FRAME, keep=[])
    answers = online(trained, FRAME)
    assert result.rows == made.height == 150
    assert made["prediction"].to_list() == [one["prediction"] for one in answers]
    for label in answers[0]["probabilities"]:
        expected = [one["probabilities"][label] for one in answers]
        assert made[f"probability_{label}"].to_list() == expected


def test_kept_columns_stand_before_and_a_clash_takes_a_number(
    tmp_path: Path, forest: Trained
):
    frame = FRAME.with_columns(prediction=pl.lit("mine"), id=pl.int_range(pl.len()))
    result, made = scored(tmp_path, forest, frame, keep=["id", "prediction"])
    assert made.columns[:3] == ["id", "prediction", "prediction_2"]
    assert [c.name for c in result.columns] == made.columns[2:]
    assert made["id"].to_list() == list(range(150))


def test_a_dataset_without_rows_gives_one_without_rows(tmp_path: Path, forest: Trained):
    result, made = scored(tmp_path, forest, FRAME.clear(), keep=[])
    assert result.rows == made.height == 0
    assert made.columns[0] == "prediction"


@pytest.mark.parametrize(
    ("field", "values", "row"),
    [
        (InputField("x", "float"), [1.0, None], 12),
        (InputField("x", "float"), [1.0, float("nan")], 12),
        (InputField("x", "float", nullable=True), [1.0, float("-inf")], 12),
        (InputField("x", "integer"), [1.0, 2.5], 12),
        (InputField("x", "text", values=["a"], closed=True), ["a", "a", "b"], 13),
    ],
)
def test_a_cell_that_does_not_fit_is_named_by_row(field, values, row):
    with pytest.raises(BatchRowInvalid) as caught:
        column_values(field, pl.Series(values), first_row=10)
    assert (caught.value.column, caught.value.row) == ("x", row)


def test_missing_and_mistyped_columns_are_all_named():
    signature = Signature([InputField("a", "float"), InputField("b", "text")], [])
    columns = [{"name": "b", "type": "integer", "nullable": False}]
    with pytest.raises(BatchColumnsMissing) as caught:
        demand_columns(signature, columns)
    assert [e.pointer for e in caught.value.errors] == ["/columns/a", "/columns/b"]


def test_names_of_a_regression_and_a_decision():
    prediction = OutputField("prediction", "float")
    assert list(output_names(Signature([], [prediction]), [])) == ["prediction"]
    decision = OutputField("decision", "float")
    names = output_names(Signature([], [prediction, decision]), ["decision"])
    assert names == {"prediction": "prediction", "decision": "decision_2"}
