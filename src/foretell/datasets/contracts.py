"""Pydantic and Marshmallow classes as contracts of rows.

What a class says with built-in types and limits becomes rules of ours, so twins in both
libraries give the same errors, and the rules give the options of an import. A class
with validators of its own is also run on each row that keeps the rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from foretell.datasets.contract_rules import ColumnRule, Own

MAX_ERRORS = 100


@dataclass(frozen=True, slots=True)
class ContractError:
    """One cell that breaks the contract; rows count from 1."""

    row: int
    column: str
    code: str
    message: str


@dataclass(slots=True)
class ContractReport:
    """What a check found: the first 100 errors, and all of them counted.

    Attributes:
        counts: Errors by (column, code).
    """

    rows: int = 0
    bad_rows: int = 0
    errors: list[ContractError] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        return not self.counts

    def add(self, row: int, column: str, code: str, message: str) -> None:
        self.counts[column, code] += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(ContractError(row, column, code, message))


@dataclass(frozen=True, slots=True)
class RowContract:
    """The rules of a class, and what of it no rule of ours says.

    Attributes:
        own: Runs the class's own validators on a row that keeps the rules: a list of
            (column, words). `None` where it has none.
    """

    rules: tuple[ColumnRule, ...]
    own: Own | None = None

    @classmethod
    def of(cls, contract: Any) -> "RowContract":
        """The contract of a Pydantic model or a Marshmallow schema (class or instance).

        Raises:
            TypeError: It is neither.
        """
        from pydantic import BaseModel

        if isinstance(contract, type) and issubclass(contract, BaseModel):
            from foretell.datasets.pydantic_contracts import rules_of, validators_of

            return cls(tuple(rules_of(contract)), validators_of(contract))
        if hasattr(contract, "load") and hasattr(contract, "_declared_fields"):
            from foretell.datasets import marshmallow_contracts as marshmallow

            return cls(
                tuple(marshmallow.rules_of(contract)),
                marshmallow.validators_of(contract),
            )
        raise TypeError("a contract is a Pydantic model or a Marshmallow schema")

    def options(self) -> dict[str, Any]:
        """The same as options of an import: a cell that does not fit its type puts its
        row among the rejects, a file without a required column is refused."""
        return {
            "types": {rule.name: str(rule.type) for rule in self.rules},
            "required": [rule.name for rule in self.rules if rule.required],
        }

    def check(self, rows: Iterable[Mapping[str, Any]]) -> ContractReport:
        """Check rows, of text or of Python's own types. Streams."""
        report = ContractReport()
        for number, row in enumerate(rows, start=1):
            report.rows = number
            faults = list(self._faults(row))
            if not faults and self.own is not None:
                faults = [(column, "custom", said) for column, said in self.own(row)]
            report.bad_rows += bool(faults)
            for column, code, message in faults:
                report.add(number, column, code, message)
        return report

    def _faults(self, row: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
        for rule in self.rules:
            if rule.name not in row:
                if rule.required:
                    yield rule.name, "missing", "is missing"
                continue
            fault = rule.fault(row[rule.name])
            if fault is not None:
                yield rule.name, *fault
