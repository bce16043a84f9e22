"""What the models service gives back: rows with what belongs to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from foretell.models.baselines import Baseline, known_baseline
from foretell.models.signature import Signature
from foretell.models.versions import number_of

if TYPE_CHECKING:
    from foretell.models.tables import (
        Model,
        ModelAlias,
        ModelAliasMove,
        ModelVersion,
    )


class ModelView:
    """A model with its aliases, in the shape of the answers."""

    def __init__(self, row: "Model", aliases: Sequence["ModelAlias"]) -> None:
        self.row = row
        self.name = row.name
        self.description = row.description
        self.latest = row.latest or None
        self.aliases: Mapping[str, int] = {a.name: a.number for a in aliases}
        self.default = number_of(None, row.latest, self.aliases)
        self.traffic = row.traffic
        self.visibility = row.visibility
        self.readers = row.readers
        self.writers = row.writers
        self.owner = row.owner_id
        self.created_at = row.created_at
        self.updated_at = row.updated_at

    @property
    def etag(self) -> str:
        return f'"{self.row.id}-{self.row.revision}"'


class VersionView:
    """A version as one finds it through its model; see `schemas.ModelVersionRead`."""

    def __init__(self, model: ModelView, row: "ModelVersion") -> None:
        self.row = row
        self.model = model.name
        self.version = row.number
        self.aliases = [
            n for n, number in model.aliases.items() if number == row.number
        ]
        self.trusted = row.is_trusted

    @property
    def signature_value(self) -> Signature:
        """The signature as a value; `signature` is its JSON."""
        return msgspec.convert(self.row.signature, Signature)

    @property
    def baseline_value(self) -> Baseline:
        """What calls are compared with, where the row was read with it."""
        return known_baseline(self.signature_value, self.row.baseline)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


@dataclass(frozen=True, slots=True)
class AliasView:
    """Where an alias points, and since when."""

    alias: str
    version: int
    moved_at: datetime
    moved_by: str

    @classmethod
    def of(cls, row: "ModelAlias") -> "AliasView":
        return cls(row.name, row.number, row.moved_at, row.moved_by)


@dataclass(frozen=True, slots=True)
class MoveView:
    version: int | None
    previous: int | None
    at: datetime
    by: str

    @classmethod
    def of(cls, row: "ModelAliasMove") -> "MoveView":
        return cls(row.number, row.previous, row.moved_at, row.moved_by)


@dataclass(frozen=True, slots=True)
class HistoryView:
    alias: str
    version: int | None
    history: list[MoveView]
    next: str | None
