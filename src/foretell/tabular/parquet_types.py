"""The stored type of each Parquet column.

A version stores one width of each public type, whatever file it came from, so that
rows of a CSV file, a workbook and a Parquet file can follow one another in a dataset.
Every step widens; where it would lose something the column is refused.
"""

from collections.abc import Callable

import pyarrow as pa

from foretell.tabular.column_kinds import DECIMAL_DIGITS
from foretell.tabular.errors import ColumnUnsupported

_DEEPEST = 32

Test = Callable[[pa.DataType], bool]

_PLAIN: tuple[tuple[Test, pa.DataType], ...] = (
    (pa.types.is_null, pa.large_string()),
    (pa.types.is_boolean, pa.bool_()),
    (pa.types.is_uint64, pa.decimal128(DECIMAL_DIGITS, 0)),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_string, pa.large_string()),
    (pa.types.is_large_string, pa.large_string()),
    (pa.types.is_string_view, pa.large_string()),
    (pa.types.is_binary, pa.large_binary()),
    (pa.types.is_large_binary, pa.large_binary()),
    (pa.types.is_binary_view, pa.large_binary()),
    (pa.types.is_fixed_size_binary, pa.large_binary()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_time, pa.time64("ns")),
    (pa.types.is_duration, pa.duration("us")),
)


def stored_type(column: str, type_: pa.DataType, depth: int = 0) -> pa.DataType:
    """Return what a column of this Arrow type is stored as.

    Raises:
        ColumnUnsupported: No dataset column can hold it.
    """
    if depth > _DEEPEST:
        raise ColumnUnsupported(column, "a type nested too deeply")
    if pa.types.is_decimal(type_):
        return _decimal(column, type_)
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", "UTC" if type_.tz else None)
    if isinstance(type_, pa.UuidType) and depth == 0:
        return pa.large_string()
    if isinstance(type_, pa.BaseExtensionType):
        return stored_type(column, type_.storage_type, depth)
    if pa.types.is_dictionary(type_):
        return stored_type(column, type_.value_type, depth)
    if pa.types.is_struct(type_) or _is_list(type_) or pa.types.is_map(type_):
        return _nested(column, type_, depth + 1)
    for test, stored in _PLAIN:
        if test(type_):
            if depth and stored == pa.large_binary():
                break  # no JSON writer at hand takes bytes inside of a list
            return stored
    raise ColumnUnsupported(column, str(type_))


def _decimal(column: str, type_: pa.DataType) -> pa.DataType:
    digits = max(type_.precision, type_.precision - type_.scale)
    if digits > DECIMAL_DIGITS:
        raise ColumnUnsupported(column, str(type_))
    return pa.decimal128(DECIMAL_DIGITS, max(type_.scale, 0))


def _is_list(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(type_)
        or pa.types.is_large_list(type_)
        or pa.types.is_fixed_size_list(type_)
    )


def _nested(column: str, type_: pa.DataType, depth: int) -> pa.DataType:
    if pa.types.is_map(type_):
        entry = {"key": type_.key_type, "value": type_.item_type}
        inner = [
            pa.field(name, stored_type(column, part, depth))
            for name, part in entry.items()
        ]
        return pa.large_list(pa.struct(inner))
    if _is_list(type_):
        return pa.large_list(stored_type(column, type_.value_type, depth))
    names = [part.name for part in type_]
    if not names or len(set(names)) != len(names):
        raise ColumnUnsupported(column, "a struct without names, or with equal ones")
    return pa.struct(
        [pa.field(part.name, stored_type(column, part.type, depth)) for part in type_]
    )


def row_width(types: list[pa.DataType]) -> int:
    """Return the bytes that a row takes at least: texts, lists and nulls none."""
    return sum(_width(type_) for type_ in types)


def _width(type_: pa.DataType) -> int:
    try:
        return max(1, int(type_.bit_width) // 8)
    except ValueError:
        return 0
