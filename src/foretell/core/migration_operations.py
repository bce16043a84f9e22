"""What is left out of the migrations that Alembic writes."""

from typing import Any

from alembic.operations.ops import (
    DropIndexOp,
    DropTableOp,
    ModifyTableOps,
    OpContainer,
)


def simplify(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Leave out a migration without a difference, and the needless part of one.

    An index goes with its table. MySQL even refuses to drop one first that a foreign
    key needs.
    """
    if not directives:
        return
    script = directives[0]
    if script.upgrade_ops.is_empty():
        directives.clear()
        return
    for operations in (script.upgrade_ops, script.downgrade_ops):
        _leave_indexes_to_tables(operations)


def _leave_indexes_to_tables(operations: OpContainer) -> None:
    dropped = {op.table_name for op in operations.ops if isinstance(op, DropTableOp)}
    for op in operations.ops:
        if isinstance(op, ModifyTableOps) and op.table_name in dropped:
            op.ops = [part for part in op.ops if not isinstance(part, DropIndexOp)]
    operations.ops = [
        op
        for op in operations.ops
        if not (isinstance(op, ModifyTableOps) and op.is_empty())
    ]
