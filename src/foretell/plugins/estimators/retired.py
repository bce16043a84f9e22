"""Stands in for what scikit-learn has given up, so that old files load."""

from collections import UserList
from typing import Any

from sklearn._loss import _loss

from foretell.models.gate.allow import RETIRED_CALLS


class RemainderColumns(UserList[Any]):
    """The columns of a ColumnTransformer's remainder, as 1.5 to 1.8 kept them.

    Theirs warned when it was looked into; a list is what it is now.
    """


def rebuild_loss(kind: Any, checksum: int, state: tuple[float, ...] | None) -> Any:
    """A loss of 1.5 and before, which Cython took apart; it is made anew."""
    if not isinstance(kind, type) or vars(_loss).get(kind.__name__) is not kind:
        raise TypeError("Not a loss.")
    return kind(*(state or ()))


_RETIRED: dict[str, Any] = {
    "sklearn.compose._column_transformer._RemainderColsList": RemainderColumns,
    **dict.fromkeys(RETIRED_CALLS, rebuild_loss),
}


def retired(dotted: str) -> Any:
    """What stands in place of a name that is gone; None for all others."""
    return _RETIRED.get(dotted)
