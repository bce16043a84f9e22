"""The files of one feature: a function of one raw record, and its tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from foretell.builder.errors import FieldRefused
from foretell.builder.fields import Field, parse_fields
from foretell.builder.names import identifier
from foretell.builder.rendering import Files, import_block, render


@dataclass(frozen=True, slots=True)
class _Input:
    """How a value of one kind of field becomes a number.

    Attributes:
        annotation: Its type in Python, which the expression language reads.
        number: An expression over the value.
        expected: What that makes of the sample; `None`: its length.
        sample: The sample in Python, where it is not the field's.
    """

    annotation: str
    number: str
    expected: float | None
    sample: str | None = None


_TEXT = _Input("str", "float(len({0}))", None)
_INPUTS = {
    "int": _Input("int", "float({0})", 1.0),
    "float": _Input("float", "{0}", 1.5),
    # Expressions hand decimals to functions as floats.
    "decimal": _Input("float", "{0}", 1.5, "1.5"),
    "bool": _Input("bool", "float({0})", 1.0),
    "str": _TEXT,
    "text": _TEXT,
    "date": _Input(
        "dt.date", "float({0}.toordinal())", 739617.0, "dt.date(2026, 1, 1)"
    ),
    "datetime": _Input(
        "dt.datetime",
        "float({0}.hour)",
        7.0,
        "dt.datetime(2026, 1, 1, 7, tzinfo=dt.UTC)",
    ),
}


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """A feature to write."""

    name: str
    inputs: tuple[Field, ...]

    @classmethod
    def parse(cls, name: str, fields: Sequence[str]) -> "FeaturePlan":
        """The plan that a command line asks for.

        Raises:
            FieldRefused: An input is none that a number can be made of.
        """
        inputs = parse_fields(fields)
        for text, field in zip(fields, inputs, strict=True):
            if field.kind not in _INPUTS or field.is_unique or field.is_indexed:
                kinds = " ".join(_INPUTS)
                raise FieldRefused(text, f"an input of a feature is one of {kinds}")
        if not inputs:
            raise FieldRefused(name, "name its inputs, such as hour:int")
        return cls(identifier("feature", name), tuple(inputs))


def feature_files(package: str, plan: FeaturePlan) -> Files:
    """The function and its tests."""
    inputs = [(field.name, _INPUTS[field.kind]) for field in plan.inputs]
    extension = f"{package}.extension.{package}"
    own = f"{package}.features.{plan.name}.{plan.name}"
    days = {"datetime as dt"} & {n for f in plan.inputs for n in f.type.imports}
    words = {"package": package, "name": plan.name}
    return {
        PurePosixPath(package, "features", f"{plan.name}.py"): render(
            "feature.py",
            imports=import_block({*days, extension}, package),
            parameters=", ".join(f"{name}: {kind.annotation}" for name, kind in inputs),
            value=_sum([kind.number.format(name) for name, kind in inputs]),
            **words,
        ),
        PurePosixPath("tests", f"test_{plan.name}.py"): render(
            "feature_test.py",
            imports=import_block({*days, extension, own}, package),
            values=", ".join(_sample(field) for field in plan.inputs),
            expected=str(sum(_expected(field) for field in plan.inputs)),
            **words,
        ),
    }


def _sample(field: Field) -> str:
    return _INPUTS[field.kind].sample or field.sample(1)


def _expected(field: Field) -> float:
    known = _INPUTS[field.kind].expected
    return float(len(field.sample(1)) - 2) if known is None else known


def _sum(terms: Sequence[str]) -> str:
    return terms[0] if len(terms) == 1 else f"sum(({', '.join(terms)}))"
