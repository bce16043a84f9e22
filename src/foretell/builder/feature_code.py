"""The files of one feature: a function of one raw record, and its tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from foretell.builder.errors import FieldRefused
from foretell.builder.fields import Field, parse_fields
from foretell.builder.names import identifier
from foretell.builder.rendering import Files, import_block, render

# How a value of each kind becomes a number, and what that makes of the sample.
_NUMBERS = {
    "int": ("float({0})", "1.0"),
    "float": ("{0}", "1.5"),
    "decimal": ("float({0})", "1.5"),
    "bool": ("float({0})", "1.0"),
    "str": ("float(len({0}))", None),
    "text": ("float(len({0}))", None),
    "date": ("float({0}.toordinal())", "739617.0"),
}
_SAMPLES = {"decimal": 'Decimal("1.5")', "date": "dt.date(2026, 1, 1)"}


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
            if field.kind not in _NUMBERS or field.is_unique or field.is_indexed:
                kinds = " ".join(_NUMBERS)
                raise FieldRefused(text, f"an input of a feature is one of {kinds}")
        if not inputs:
            raise FieldRefused(name, "name its inputs, such as hour:int")
        return cls(identifier("feature", name), tuple(inputs))


def feature_files(package: str, plan: FeaturePlan) -> Files:
    """The function and its tests."""
    imports = {name for field in plan.inputs for name in field.type.imports}
    parameters = [f"{f.name}: {f.type.annotation} | None" for f in plan.inputs]
    missing = " or ".join(f"{f.name} is None" for f in plan.inputs)
    terms = [_NUMBERS[f.kind][0].format(f.name) for f in plan.inputs]
    words = {"package": package, "name": plan.name}
    block = import_block(imports)
    return {
        PurePosixPath(package, "features", f"{plan.name}.py"): render(
            "feature.py",
            imports=f"\n{block}\n" if block else "",
            parameters=", ".join(parameters),
            missing=missing,
            value=" + ".join(terms),
            **words,
        ),
        PurePosixPath("tests", f"test_{plan.name}.py"): render(
            "feature_test.py",
            imports=import_block(
                {*imports, f"{package}.features.{plan.name}.{plan.name}"}, package
            ),
            values=", ".join(_sample(field) for field in plan.inputs),
            nulls=", ".join("None" for _ in plan.inputs),
            expected=" + ".join(_expected(field) for field in plan.inputs),
            **words,
        ),
    }


def _sample(field: Field) -> str:
    return _SAMPLES.get(field.kind) or field.sample(1)


def _expected(field: Field) -> str:
    known = _NUMBERS[field.kind][1]
    return known if known is not None else f"{len(field.sample(1)) - 2}.0"
