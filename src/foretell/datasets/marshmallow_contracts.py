"""Rules of a Marshmallow schema."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from foretell.core.columns import ColumnType
from foretell.datasets.contract_rules import ColumnRule, Own

# The first that fits: a DateTime before a Date, a Boolean before what is below it.
_TYPES: tuple[tuple[type[Any], ColumnType], ...] = (
    (fields.Boolean, ColumnType.BOOLEAN),
    (fields.Integer, ColumnType.INTEGER),
    (fields.Float, ColumnType.FLOAT),
    (fields.Decimal, ColumnType.DECIMAL),
    (fields.Time, ColumnType.TIME),
    (fields.Date, ColumnType.DATE),
    (fields.DateTime, ColumnType.TIMESTAMP),
    (fields.TimeDelta, ColumnType.DURATION),
    (fields.List, ColumnType.LIST),
    (fields.Dict, ColumnType.STRUCT),
    (fields.Nested, ColumnType.STRUCT),
)
_KNOWN = (validate.Range, validate.Length, validate.OneOf, validate.Regexp)


def rules_of(contract: Any) -> Iterator[ColumnRule]:
    """A rule for each field that is loaded, by its `data_key` if it has one."""
    for name, item in _schema(contract).load_fields.items():
        yield ColumnRule(
            item.data_key or name,
            _type(item),
            required=item.required,
            nullable=bool(item.allow_none),
            **_limits(item),
        )


def _schema(contract: Any) -> Schema:
    made: Schema = contract() if isinstance(contract, type) else contract
    return made


def _type(item: Any) -> ColumnType:
    return next((t for k, t in _TYPES if isinstance(item, k)), ColumnType.TEXT)


def _limits(item: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in item.validators:
        if isinstance(rule, validate.Range):
            low = "minimum" if rule.min_inclusive else "above"
            high = "maximum" if rule.max_inclusive else "below"
            found |= {low: rule.min, high: rule.max}
        elif isinstance(rule, validate.Length):
            same = rule.equal
            found["shortest"] = rule.min if same is None else same
            found["longest"] = rule.max if same is None else same
        elif isinstance(rule, validate.OneOf):
            found["values"] = tuple(rule.choices)
        elif isinstance(rule, validate.Regexp) and not isinstance(rule, validate.Email):
            found["pattern"] = rule.regex.pattern
    return found


def validators_of(contract: Any) -> Own | None:
    """What runs the schema on a row, if it has validators of its own."""
    schema = _schema(contract)
    odd = [
        rule
        for item in schema.load_fields.values()
        for rule in item.validators
        if type(rule) not in _KNOWN
    ]
    known = {item.data_key or n for n, item in schema.load_fields.items()}
    hooks = [found for found in schema._hooks.values() if found]
    if not (odd or hooks):
        return None

    def run(row: Mapping[str, Any]) -> list[tuple[str, str]]:
        given = {name: None if cell == "" else cell for name, cell in row.items()}
        found = schema.validate(
            {name: cell for name, cell in given.items() if name in known}
        )
        return [
            ("" if name == "_schema" else str(name), str(said))
            for name, words in found.items()
            for said in _flat(words)
        ]

    return run


def _flat(words: Any) -> list[Any]:
    if isinstance(words, Mapping):
        return [said for below in words.values() for said in _flat(below)]
    return list(words) if isinstance(words, list) else [words]
