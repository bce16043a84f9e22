"""Rows between the database and JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from foretell.resources.description import ResourceDescription

Row = dict[str, Any]
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


class RowShape:
    """Turns the rows of one resource into what answers hold."""

    def __init__(self, description: ResourceDescription) -> None:
        self._names = tuple(column.name for column in description.stored)
        self._shown = tuple(column.name for column in description.readable)
        self._converted = tuple(
            (column.name, column.to_json)
            for column in description.readable
            if column.to_json is not None
        )
        self._model = description.read if description.renders_by_model else None

    def row(self, values: Sequence[Any]) -> Row:
        """A row by name, of values in the order of the stored columns."""
        return dict(zip(self._names, values, strict=False))

    def rows(self, many: Iterable[Sequence[Any]]) -> list[Row]:
        return [self.row(values) for values in many]

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What an answer holds of a row: JSON, or what the JSON writer takes."""
        if self._model is not None:
            made = self._model.model_validate(dict(row), from_attributes=True)
            return made.model_dump(mode="json", by_alias=True)
        answer = {name: row[name] for name in self._shown}
        for name, convert in self._converted:
            if answer[name] is not None:
                answer[name] = convert(answer[name])
        return answer


def to_bytes(document: Any) -> bytes:
    """`document` as JSON: moments in UTC with `Z`, non-finite numbers null."""
    return orjson.dumps(document, option=_OPTIONS)
