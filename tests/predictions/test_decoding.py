"""Rows are read strictly, and every refusal names what is wrong."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from foretell.models.row_schema import row_model
from foretell.models.signature import InputField, OutputField, Signature
from foretell.predictions.decoding import RowDecoder, model_named_in
from foretell.predictions.errors import RowsInvalid

FIELDS = [
    InputField("age", "integer"),
    InputField("a/b~c", "float", nullable=True),
    InputField("city", "text", values=["Ulm", "Köln"], closed=True),
    InputField("rooms", "integer", values=[1, 2, 3], closed=True, nullable=True),
    InputField("is new", "boolean"),
]
SIGNATURE = Signature(FIELDS, [OutputField("prediction", "float")])
DECODER = RowDecoder(SIGNATURE)
GOOD: dict[str, Any] = {
    "age": 3,
    "a/b~c": 1.5,
    "city": "Ulm",
    "rooms": None,
    "is new": True,
}
VALUES = list(GOOD.values())


def refused(body: bytes | Any, decoder: RowDecoder = DECODER) -> RowsInvalid:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RowsInvalid) as caught:
        decoder.decode(raw)
    return caught.value


def faults(body: bytes | Any) -> list[tuple[str, str]]:
    return [(error.pointer, error.code) for error in refused(body).errors]


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [GOOD]},
        {"rows": [dict(reversed(GOOD.items()))]},
        {"features": VALUES},
        {"columns": list(GOOD), "data": [VALUES]},
        {"columns": list(GOOD)[::-1], "data": [VALUES[::-1]]},
    ],
)
def test_each_form_gives_the_row_in_the_order_of_the_signature(body: Any):
    assert [tuple(r) for r in DECODER.decode(orjson.dumps(body))] == [tuple(VALUES)]


def test_a_whole_number_is_a_float_where_one_is_wanted():
    rows = DECODER.decode(orjson.dumps({"rows": [{**GOOD, "a/b~c": 2}]}))
    assert isinstance(rows[0][1], float)


@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"age": 1.0}, "/rows/0/age", "integer_type"),
        ({"age": "1"}, "/rows/0/age", "integer_type"),
        ({"age": True}, "/rows/0/age", "integer_type"),
        ({"age": None}, "/rows/0/age", "null_forbidden"),
        ({"age": 2**63}, "/rows/0/age", "out_of_range"),
        ({"a/b~c": "1.5"}, "/rows/0/a~1b~0c", "float_type"),
        ({"a/b~c": True}, "/rows/0/a~1b~0c", "float_type"),
        ({"city": "Bonn"}, "/rows/0/city", "unknown_value"),
        ({"city": 5}, "/rows/0/city", "text_type"),
        ({"rooms": 9}, "/rows/0/rooms", "unknown_value"),
        ({"is new": 1}, "/rows/0/is new", "boolean_type"),
        ({"extra": 1}, "/rows/0/extra", "extra_forbidden"),
    ],
)
def test_a_wrong_cell_is_named(changed: dict[str, Any], pointer: str, code: str):
    assert faults({"rows": [{**GOOD, **changed}]}) == [(pointer, code)]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_a_number_that_is_none_is_named(number: bytes):
    body = orjson.dumps({"rows": [GOOD]}).replace(b"1.5", number)
    assert faults(body) == [("/rows/0/a~1b~0c", "finite_number")]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"", "", "json_invalid"),
        (b"{", "", "json_invalid"),
        (b"[" * 90_000, "", "json_invalid"),
        (b'{"rows": "\xff"}', "", "json_invalid"),
        (b"[]", "", "object_type"),
        (b"{}", "", "rows_missing"),
        ({"rows": GOOD}, "/rows", "list_type"),
        ({"rows": [VALUES]}, "/rows/0", "object_type"),
        ({"rows": [GOOD], "features": VALUES}, "", "rows_missing"),
        ({"rows": [GOOD], "more": 1}, "/more", "extra_forbidden"),
        ({"model": "m", "rows": []}, "/model", "extra_forbidden"),
        ({"features": VALUES[:4]}, "/features", "length"),
        ({"features": [*VALUES, 1]}, "/features", "length"),
        ({"columns": list(GOOD)}, "/data", "missing"),
        ({"columns": [*list(GOOD)[1:], "x"], "data": []}, "/columns", "missing"),
        ({"columns": list(GOOD), "data": [VALUES, [1]]}, "/data/1", "length"),
    ],
)
def test_a_wrong_form_is_named(body: Any, pointer: str, code: str):
    assert faults(body)[0] == (pointer, code)


def test_a_missing_feature_is_named_and_a_near_name_offered():
    row = {("agee" if name == "age" else name): v for name, v in GOOD.items()}
    errors = refused({"rows": [row]}).errors
    assert [(e.pointer, e.code) for e in errors] == [
        ("/rows/0/age", "missing"),
        ("/rows/0/agee", "extra_forbidden"),
    ]
    assert "did you mean 'age'" in errors[1].message


def test_a_hundred_thousand_wrong_values_are_refused_in_little_text():
    secret = "hunter2" * 3
    error = refused({"features": [secret] * 100_000})
    text = error.detail + "".join(e.pointer + e.message for e in error.errors)
    assert len(error.errors) <= 100
    assert len(text) < 64 * 1024
    assert secret not in text
    assert "Expected 5 values, got 100,000." in error.errors[0].message


def test_the_model_is_read_out_of_any_body():
    assert model_named_in(b'{"rows": [[1]], "model": "m"}') == "m"
    assert model_named_in(b"{}") is None
    for wrong in (b'{"model": 5}', b"[]", b"nope", b'{"model": null}'):
        with pytest.raises(RowsInvalid):
            model_named_in(wrong)


_cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([1, 2, 3, -(2**63), 2**63 - 1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["Ulm", "Köln", "", "1.5", "true"]),
    st.text(st.characters(codec="utf-8"), max_size=5),
)
_rows = st.one_of(
    st.fixed_dictionaries(dict.fromkeys(GOOD, _cells)),
    st.dictionaries(st.sampled_from([*GOOD, "x"]), _cells, max_size=6),
)
_twin = row_model(SIGNATURE)


@given(row=_rows)
def test_the_decoder_takes_exactly_the_rows_that_the_documents_say(
    row: dict[str, Any],
):
    body = json.dumps({"rows": [row]}).encode()
    try:
        expected = list(
            _twin.model_validate_json(json.dumps(row)).model_dump().values()
        )
    except ValidationError as error:
        wrong = {str(item["loc"][0]) for item in error.errors()}
        found = {e.pointer.split("/")[-1] for e in refused(body).errors}
        assert found == {n.replace("~", "~0").replace("/", "~1") for n in wrong}
    else:
        assert list(DECODER.decode(body)[0]) == expected


@given(
    row=st.fixed_dictionaries(dict.fromkeys(GOOD, _cells)),
    order=st.permutations(list(GOOD)),
)
def test_all_three_forms_agree(row: dict[str, Any], order: list[str]):
    forms = [
        {"rows": [row]},
        {"features": [row[name] for name in GOOD]},
        {"columns": order, "data": [[row[name] for name in order]]},
    ]
    outcomes: list[Any] = []
    for form in forms:
        try:
            outcomes.append(
                [tuple(r) for r in DECODER.decode(json.dumps(form).encode())]
            )
        except RowsInvalid as error:
            outcomes.append(sorted(e.code for e in error.errors))
    assert outcomes[0] == outcomes[1] == outcomes[2]
