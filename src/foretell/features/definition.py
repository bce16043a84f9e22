"""A feature set as it was written, and the programs that compute it.

One definition has two compilers: a Python function of one row, used online, and polars
expressions, used in batch. Both are made of the same typed expressions, so that they
are equal by construction; a test compares them bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice, product
from typing import Any

import msgspec

from foretell.core.columns import ColumnType
from foretell.errors import FieldError
from foretell.expressions.check import check
from foretell.expressions.errors import ExpressionError
from foretell.expressions.own import OwnFunction
from foretell.expressions.parser import parse
from foretell.expressions.row_compiler import to_record
from foretell.expressions.tree import ColumnName, Node
from foretell.expressions.typed import TypedNode
from foretell.features.errors import FeatureSetInvalid

MAX_FEATURES = 2_000
_GUESSES = (
    ColumnType.TEXT,
    ColumnType.FLOAT,
    ColumnType.INTEGER,
    ColumnType.BOOLEAN,
    ColumnType.DATE,
    ColumnType.TIMESTAMP,
    ColumnType.TIME,
)
_MOST_GUESSES = 400

Functions = Mapping[str, OwnFunction]
Types = Mapping[str, ColumnType]


class Feature(msgspec.Struct, frozen=True):
    """One feature: its name, and the expression over the raw record."""

    name: str
    expression: str


class Input(msgspec.Struct, frozen=True):
    """One declared member of a raw record."""

    name: str
    type: ColumnType


class Definition(msgspec.Struct, frozen=True):
    """A version of a feature set.

    Attributes:
        inputs: Types of members of the record; others are told by their values.
    """

    name: str
    version: int
    features: list[Feature]
    inputs: list[Input] = []

    @property
    def declared(self) -> dict[str, ColumnType]:
        return {given.name: given.type for given in self.inputs}

    def columns(self) -> list[str]:
        """The members of a record that the features use, in order of appearance."""
        names: dict[str, None] = {}
        for feature in self.features:
            _collect(parse(feature.expression), names)
        return list(names)

    def check_syntax(self, functions: Functions) -> None:
        """Refuse what is wrong whatever the records hold.

        Raises:
            FeatureSetInvalid: With a pointer for every feature at fault.
        """
        errors: list[FieldError] = []
        context: Mapping[str, Any] = {}
        for index, feature in enumerate(self.features):
            try:
                node = parse(feature.expression)
                known = self.declared
                names: dict[str, None] = {}
                _collect(node, names)
                if names.keys() <= known.keys():
                    check(node, known, functions)
            except ExpressionError as error:
                errors.append(_fault(index, error))
                context = context or error.context
        if errors:
            raise FeatureSetInvalid(errors, **context)


class Program:
    """A definition compiled for records of certain types.

    Attributes:
        types: Of the members that the features use.
        typed: Typed expression by the name of the feature; `frames.py` makes those of
            polars of it.
        compute: Gives the features of one record, both as dicts by name.

    Raises:
        FeatureSetInvalid: A feature does not fit the types.
    """

    def __init__(
        self, definition: Definition, types: Types, functions: Functions
    ) -> None:
        self.types = dict(types)
        self.typed: dict[str, TypedNode] = {}
        for index, feature in enumerate(definition.features):
            try:
                node = check(parse(feature.expression), types, functions)
            except ExpressionError as error:
                raise FeatureSetInvalid(
                    [_fault(index, error)], **error.context
                ) from None
            self.typed[feature.name] = node
        self.compute: Callable[[Mapping[str, Any]], dict[str, Any]] = to_record(
            self.typed
        )

    @property
    def outputs(self) -> dict[str, ColumnType]:
        """Type by the name of the feature."""
        return {name: node.type for name, node in self.typed.items()}


def program_of(
    definition: Definition,
    types: Types,
    unknown: Sequence[str],
    functions: Functions,
) -> Program:
    """Compile, where the types of some members are not known since all are null.

    The first types that fit are taken, texts first; what a feature makes of a null
    depends on its type only where it gives the type.

    Raises:
        FeatureSetInvalid: A feature does not fit the types.
    """
    if not unknown:
        return Program(definition, types, functions)
    first: FeatureSetInvalid | None = None
    for guess in islice(product(_GUESSES, repeat=len(unknown)), _MOST_GUESSES):
        guessed = dict(zip(unknown, guess, strict=True))
        try:
            return Program(definition, {**types, **guessed}, functions)
        except FeatureSetInvalid as error:
            first = first or error
    raise first or FeatureSetInvalid([FieldError("/features", "is empty", "empty")])


def _collect(node: Node, names: dict[str, None]) -> None:
    """Gather the column names below a node."""
    if isinstance(node, ColumnName):
        names[node.name] = None
        return
    for slot in node.__slots__:
        _collect_in(getattr(node, slot), names)


def _collect_in(value: Any, names: dict[str, None]) -> None:
    if isinstance(value, tuple):
        for item in value:
            _collect_in(item, names)
    elif hasattr(value, "position"):
        _collect(value, names)


def _fault(index: int, error: ExpressionError) -> FieldError:
    pointer = f"/features/{index}/expression"
    return FieldError(pointer, error.detail, "expression_invalid")
