"""Twins of one contract in Pydantic and Marshmallow give the same error list."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from marshmallow import Schema, ValidationError, fields, validate, validates
from pydantic import BaseModel, Field, field_validator

from foretell.datasets.contracts import MAX_ERRORS, RowContract


class Order(BaseModel):
    id: Annotated[int, Field(ge=1)]
    price: Annotated[Decimal, Field(gt=0)]
    state: Literal["new", "paid"]
    code: Annotated[str, Field(min_length=2, max_length=4, pattern="^[A-Z]+$")]
    placed: date | None = None


class OrderSchema(Schema):
    id = fields.Integer(required=True, validate=validate.Range(min=1))
    price = fields.Decimal(
        required=True, validate=validate.Range(min=0, min_inclusive=False)
    )
    state = fields.String(required=True, validate=validate.OneOf(["new", "paid"]))
    code = fields.String(
        required=True,
        validate=[validate.Length(min=2, max=4), validate.Regexp("^[A-Z]+$")],
    )
    placed = fields.Date(allow_none=True)


class Even(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("is odd")
        return value


class EvenSchema(Schema):
    n = fields.Integer(required=True)

    @validates("n")
    def is_even(self, value: int, data_key: str) -> None:
        if value % 2:
            raise ValidationError("is odd")


GOOD = {"id": "1", "price": "2.50", "state": "new", "code": "AB", "placed": ""}
BAD: list[dict[str, Any]] = [
    GOOD,
    {**GOOD, "id": "0", "price": "0"},
    {**GOOD, "id": "x", "state": "lost"},
    {**GOOD, "code": "A", "placed": "yesterday"},
    {**GOOD, "code": "ABCDE"},
    {**GOOD, "code": "ab", "price": ""},
    {name: cell for name, cell in GOOD.items() if name != "state"},
    {**GOOD, "id": True, "price": 3.5, "placed": date(2026, 1, 1)},
]


def test_twins_give_the_same_rules_and_errors():
    pydantic, marshmallow = RowContract.of(Order), RowContract.of(OrderSchema)
    assert pydantic.rules == marshmallow.rules
    assert pydantic.options() == marshmallow.options()
    found = pydantic.check(BAD)
    assert found == marshmallow.check(BAD)
    assert [(e.row, e.column, e.code) for e in found.errors] == [
        (2, "id", "range"),
        (2, "price", "range"),
        (3, "id", "type"),
        (3, "state", "in_set"),
        (4, "code", "length"),
        (4, "placed", "type"),
        (5, "code", "length"),
        (6, "price", "null"),
        (6, "code", "matches"),
        (7, "state", "missing"),
        (8, "id", "type"),
    ]
    assert (found.rows, found.bad_rows, found.ok) == (8, 7, False)


def test_validators_of_their_own_run_row_by_row():
    rows = [{"n": "2"}, {"n": "3"}, {"n": "x"}]
    found = RowContract.of(Even).check(rows)
    assert found == RowContract.of(EvenSchema()).check(rows)
    assert [(e.row, e.code, e.message) for e in found.errors] == [
        (2, "custom", "is odd"),
        (3, "type", "is no integer"),
    ]


def test_the_first_hundred_are_listed_and_all_are_counted():
    found = RowContract.of(Order).check({**GOOD, "id": "x"} for _ in range(1_000))
    assert len(found.errors) == MAX_ERRORS
    assert found.counts == {("id", "type"): 1_000}


def test_what_is_no_contract_is_refused():
    with pytest.raises(TypeError):
        RowContract.of(dict)


def test_its_options_are_those_of_an_import():
    assert RowContract.of(Order).options() == {
        "types": {
            "id": "integer",
            "price": "decimal",
            "state": "text",
            "code": "text",
            "placed": "date",
        },
        "required": ["id", "price", "state", "code"],
    }
