"""Check a parsed expression against the columns and give every part its type.

This is where the language gets its meaning: names are resolved, types are brought
together, and the richer constructs are written out with simpler ones. A compiler gets
a tree that cannot fail, and no two compilers can read it differently.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from foretell.core.columns import ColumnType
from foretell.expressions.coercion import NUMBERS, common_type, convert, typed_literal
from foretell.expressions.errors import ExpressionError, near_names
from foretell.expressions.functions import (
    ALIASES,
    ANY,
    FLOAT,
    FUNCTIONS,
    NUMBER,
    WRITTEN_OUT,
    Function,
    Parameter,
)
from foretell.expressions.own import OwnFunction, OwnFunctions
from foretell.expressions.parser import parse
from foretell.expressions.tree import (
    Between,
    Binary,
    Call,
    Case,
    ColumnName,
    In,
    IsNull,
    Like,
    Literal,
    Node,
    Unary,
)
from foretell.expressions.typed import (
    Operation,
    OwnCall,
    TypedCase,
    TypedColumn,
    TypedLiteral,
    TypedNode,
    expanded_size,
    is_null_literal,
)

MAX_EXPANDED_SIZE = 2_000
"""Nodes after BETWEEN, IN, NULLIF and CASE have been written out; without this limit
they could double the work with each level of nesting."""

_COMPARISONS = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply"}
_Pair = tuple[Node, TypedNode]
_IN_TYPES = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.TEXT)


_NO_FUNCTIONS: OwnFunctions = MappingProxyType({})


def check(
    node: Node,
    columns: Mapping[str, ColumnType],
    functions: OwnFunctions = _NO_FUNCTIONS,
) -> TypedNode:
    """Resolve names and types.

    Args:
        node: What `parse` gave.
        columns: The columns that may be used, by exact name.
        functions: Those of extensions, by name.

    Returns:
        The typed tree; its `type` is the type of the value. NULL alone is a text.

    Raises:
        ExpressionError: A name is unknown, types do not fit, or the expression grows
            too large.
    """
    typed = _Checker(columns, functions).visit(node)
    if expanded_size(typed) > MAX_EXPANDED_SIZE:
        raise ExpressionError(
            "The expression repeats too much: write the operand of BETWEEN, IN, NULLIF "
            "or CASE more simply.",
            node.position,
        )
    return typed


def parse_condition(
    text: str,
    columns: Mapping[str, ColumnType],
    functions: OwnFunctions = _NO_FUNCTIONS,
) -> TypedNode:
    """Parse and check an expression that must be a condition.

    Raises:
        ExpressionError: It cannot be read, does not fit the columns, or is not boolean.
    """
    node = parse(text)
    typed = check(node, columns, functions)
    if is_null_literal(typed):
        return convert(typed, ColumnType.BOOLEAN)
    if typed.type is not ColumnType.BOOLEAN:
        raise ExpressionError(
            f"A condition is needed, and this is a value of type {typed.type}; "
            "compare it with something.",
            node.position,
        )
    return typed


class _Checker:
    def __init__(
        self, columns: Mapping[str, ColumnType], functions: OwnFunctions
    ) -> None:
        self._columns = columns
        self._functions = functions

    def visit(self, node: Node) -> TypedNode:
        match node:
            case Literal():
                return typed_literal(node)
            case ColumnName():
                return self._column(node)
            case Unary(operator="not"):
                return self._operation("not", (self._boolean(node.operand),))
            case Unary():
                operand = self._number(node.operand, "minus")
                return Operation(operand.type, "negate", (operand,))
            case Binary():
                return self._binary(node)
            case IsNull():
                found = self._operation("is_null", (self.visit(node.operand),))
                return self._negate(found, node.negated)
            case In():
                return self._negate(self._in(node), node.negated)
            case Between():
                return self._negate(self._between(node), node.negated)
            case Like():
                return self._negate(self._like(node), node.negated)
            case Call():
                return self._call(node)
            case Case():
                return self._case(node)

    # --- helpers ----------------------------------------------------------------

    def _operation(self, operator: str, arguments: Sequence[TypedNode]) -> Operation:
        return Operation(ColumnType.BOOLEAN, operator, tuple(arguments))

    def _negate(self, condition: TypedNode, negated: bool) -> TypedNode:
        return self._operation("not", (condition,)) if negated else condition

    def _of_type(self, node: Node, type: ColumnType, message: str) -> TypedNode:
        typed = self.visit(node)
        if is_null_literal(typed):
            return convert(typed, type)
        if typed.type is not type:
            raise ExpressionError(f"{message}, not {typed.type}.", node.position)
        return typed

    def _boolean(self, node: Node) -> TypedNode:
        message = "AND, OR, NOT and WHEN take conditions (boolean)"
        return self._of_type(node, ColumnType.BOOLEAN, message)

    def _number(self, node: Node, what: str) -> TypedNode:
        """Check an operand of arithmetic, which computes decimals as floats."""
        typed = self.visit(node)
        if is_null_literal(typed):
            return convert(typed, ColumnType.INTEGER)
        if typed.type not in NUMBERS:
            hint = " Texts are joined with ||." if what == "+" else ""
            raise ExpressionError(
                f"'{what}' takes numbers, not {typed.type}.{hint}", node.position
            )
        if typed.type is ColumnType.DECIMAL:
            return convert(typed, ColumnType.FLOAT)
        return typed

    # --- names ------------------------------------------------------------------

    def _column(self, node: ColumnName) -> TypedNode:
        if node.name in self._columns:
            return TypedColumn(self._columns[node.name], node.name)
        near = near_names(node.name, self._columns)
        message = f"There is no column {node.name[:80]!r}."
        if node.quoted and not near:
            message += " A text is written in single quotes."
        raise ExpressionError(message, node.position, suggestions=near)

    # --- operators --------------------------------------------------------------

    def _binary(self, node: Binary) -> TypedNode:
        match node.operator:
            case "and" | "or":
                sides = (self._boolean(node.left), self._boolean(node.right))
                return self._operation(node.operator, sides)
            case "||":
                message = "|| joins texts"
                sides = (
                    self._of_type(node.left, ColumnType.TEXT, message),
                    self._of_type(node.right, ColumnType.TEXT, message),
                )
                return Operation(ColumnType.TEXT, "join", sides)
            case operator if operator in _COMPARISONS:
                left, right = self.visit(node.left), self.visit(node.right)
                pair = ((node.left, left), (node.right, right))
                return self._compare(_COMPARISONS[operator], *pair, node.position)
        return self._arithmetic(node)

    def _arithmetic(self, node: Binary) -> TypedNode:
        left = self._number(node.left, node.operator)
        right = self._number(node.right, node.operator)
        if node.operator == "%":
            if {left.type, right.type} != {ColumnType.INTEGER}:
                raise ExpressionError("'%' takes integers only.", node.position)
            return Operation(ColumnType.INTEGER, "modulo", (left, right))
        if node.operator == "/":
            type = ColumnType.FLOAT
            operator = "divide"
        else:
            type = max(left.type, right.type, key=NUMBERS.index)
            operator = _ARITHMETIC[node.operator]
        return Operation(type, operator, (convert(left, type), convert(right, type)))

    def _compare(
        self, operator: str, left: _Pair, right: _Pair, position: int
    ) -> TypedNode:
        nodes, typed = (left[0], right[0]), (left[1], right[1])
        for node, value in (left, right):
            if value.type not in ANY:
                raise ExpressionError(
                    f"Values of type {value.type} cannot be compared.", node.position
                )
        if all(is_null_literal(value) for value in typed):
            return TypedLiteral(ColumnType.BOOLEAN, None)
        type = _comparison_type(typed, nodes, position)
        if type is ColumnType.BOOLEAN and operator not in ("eq", "ne"):
            raise ExpressionError("Booleans have no order; use = or <>.", position)
        return self._operation(operator, [convert(value, type) for value in typed])

    def _between(self, node: Between) -> TypedNode:
        operand = (node.operand, self.visit(node.operand))
        low = (node.low, self.visit(node.low))
        high = (node.high, self.visit(node.high))
        return self._operation(
            "and",
            (
                self._compare("ge", operand, low, node.position),
                self._compare("le", operand, high, node.position),
            ),
        )

    def _in(self, node: In) -> TypedNode:
        """Write IN as one look-up for the literals and a comparison for each other."""
        if not node.items:
            raise ExpressionError("IN needs at least one value.", node.position)
        operand = self.visit(node.operand)
        literals: list[TypedNode] = []
        tests: list[TypedNode] = []
        for item in node.items:
            value = self.visit(item)
            test = self._compare(
                "eq", (node.operand, operand), (item, value), node.position
            )
            literal = _looked_up(test, operand)
            if literal is not None:
                literals.append(literal)
            else:
                tests.append(test)
        if literals:
            tests.insert(0, self._operation("in", (operand, *literals)))
        result = tests[0]
        for test in tests[1:]:
            result = self._operation("or", (result, test))
        return result

    def _like(self, node: Like) -> TypedNode:
        operand = self._of_type(
            node.operand, ColumnType.TEXT, "LIKE compares a text with a pattern"
        )
        pattern = TypedLiteral(ColumnType.TEXT, node.pattern)
        escape = TypedLiteral(ColumnType.TEXT, node.escape)
        return self._operation("like", (operand, pattern, escape))

    def _case(self, node: Case) -> TypedNode:
        if node.operand is None:
            conditions = [self._boolean(condition) for condition, _ in node.branches]
        else:
            operand = (node.operand, self.visit(node.operand))
            conditions = [
                self._compare("eq", operand, (value, self.visit(value)), value.position)
                for value, _ in node.branches
            ]
        otherwise = node.otherwise or Literal(None, node.position)
        nodes = [*(value for _, value in node.branches), otherwise]
        values = [self.visit(value) for value in nodes]
        if all(is_null_literal(value) for value in values):
            return values[-1]
        type = common_type(values, nodes, "The branches of CASE")
        *results, last = (convert(value, type) for value in values)
        return TypedCase(type, tuple(zip(conditions, results, strict=True)), last)

    # --- functions --------------------------------------------------------------

    def _call(self, node: Call) -> TypedNode:
        name = ALIASES.get(node.name, node.name)
        if name in self._functions:
            return self._own_call(self._functions[name], node)
        if name not in FUNCTIONS:
            raise ExpressionError(
                f"There is no function {node.name[:80]!r}.",
                node.position,
                suggestions=near_names(
                    node.name, (*FUNCTIONS, *ALIASES, *self._functions)
                ),
            )
        function = FUNCTIONS[name]
        _check_number_of_arguments(function, node)
        typed = [
            self._argument(function, function.parameter(index), argument)
            for index, argument in enumerate(node.arguments)
        ]
        if name in WRITTEN_OUT:
            return self._written_out(name, node, typed)
        if name == "coalesce":
            if all(is_null_literal(value) for value in typed):
                return typed[0]
            type = common_type(typed, node.arguments, "The values of coalesce")
            arguments = tuple(convert(value, type) for value in typed)
            return Operation(type, name, arguments)
        call = Operation(function.result or typed[0].type, name, tuple(typed))
        return _null_where_length_is(call) if name == "substr" else call

    def _own_call(self, function: OwnFunction, node: Call) -> TypedNode:
        if len(node.arguments) != len(function.parameters):
            raise ExpressionError(f"Write {function.signature}.", node.position)
        arguments = tuple(
            self._own_argument(function, type, argument)
            for type, argument in zip(function.parameters, node.arguments, strict=True)
        )
        return OwnCall(function.result, function.name, function, arguments)

    def _own_argument(
        self, function: OwnFunction, type: ColumnType, node: Node
    ) -> TypedNode:
        typed = self.visit(node)
        widens = type is ColumnType.FLOAT and typed.type in NUMBERS
        if typed.type is not type and not widens and not is_null_literal(typed):
            raise ExpressionError(
                f"{function.signature} takes a {type} here, not a {typed.type}.",
                node.position,
            )
        return convert(typed, type)

    def _argument(
        self, function: Function, parameter: Parameter, node: Node
    ) -> TypedNode:
        typed = self.visit(node)
        if parameter.literal and (
            not isinstance(typed, TypedLiteral) or is_null_literal(typed)
        ):
            raise ExpressionError(
                f"'{parameter.name}' of {function.name} must be written out.",
                node.position,
            )
        if is_null_literal(typed):
            own = parameter.types == ANY
            return typed if own else convert(typed, parameter.types[0])
        if typed.type is ColumnType.DECIMAL and parameter.types == NUMBER:
            typed = convert(typed, ColumnType.FLOAT)
        if typed.type in NUMBERS and parameter.types == FLOAT:
            typed = convert(typed, ColumnType.FLOAT)
        if typed.type not in parameter.types:
            raise ExpressionError(
                f"'{parameter.name}' of {function.name} must be "
                f"{' or '.join(parameter.types)}, not {typed.type}.",
                node.position,
            )
        _check_bounds(function, parameter, typed, node)
        _check_text(function, parameter, typed, node)
        return typed

    def _written_out(self, name: str, node: Call, typed: list[TypedNode]) -> TypedNode:
        match name:
            case "nullif":
                return self._nullif(node, typed)
            case "if":
                return self._if(node, typed)
            case "left":
                start = TypedLiteral(ColumnType.INTEGER, 1)
                arguments = (typed[0], start, typed[1])
                call = Operation(ColumnType.TEXT, "substr", arguments)
                return _null_where_length_is(call)
        return self._extreme("ge" if name == "greatest" else "le", node, typed)

    def _if(self, node: Call, typed: list[TypedNode]) -> TypedNode:
        condition, *values = typed
        if all(is_null_literal(value) for value in values):
            return values[0]
        type = common_type(values, node.arguments[1:], "The values of if")
        value, other = (convert(value, type) for value in values)
        return TypedCase(type, ((condition, value),), other)

    def _extreme(self, operator: str, node: Call, typed: list[TypedNode]) -> TypedNode:
        """Write out the largest or smallest of several values, two by two."""
        if all(is_null_literal(value) for value in typed):
            return typed[0]
        type = common_type(typed, node.arguments, f"The values of {node.name}")
        if type is ColumnType.BOOLEAN:
            raise ExpressionError("Booleans have no order.", node.position)
        result, *others = (convert(value, type) for value in typed)
        for value in others:
            wins = self._operation(operator, (result, value))
            alone = self._operation("is_null", (value,))
            kept = self._operation("or", (alone, wins))
            result = TypedCase(type, ((kept, result),), value)
        return result

    def _nullif(self, node: Call, typed: list[TypedNode]) -> TypedNode:
        value = typed[0]
        first, second = zip(node.arguments, typed, strict=True)
        equal = self._compare("eq", first, second, node.position)
        if is_null_literal(value):
            return value
        null = TypedLiteral(value.type, None)
        return TypedCase(value.type, ((equal, null),), value)


def _comparison_type(
    typed: Sequence[TypedNode], nodes: Sequence[Node], position: int
) -> ColumnType:
    left, right = (value.type for value in typed)
    has_null = any(is_null_literal(value) for value in typed)
    if not has_null and ColumnType.TEXT in (left, right) and {left, right} & {*NUMBERS}:
        raise ExpressionError(
            f"Values of type {left} and {right} cannot be compared; a text is written in "
            "single quotes, a number without.",
            position,
        )
    return common_type(typed, nodes, "A comparison")


def _looked_up(test: TypedNode, operand: TypedNode) -> TypedLiteral | None:
    """Give the literal of an equality between the operand as it is and a literal."""
    if not isinstance(test, Operation) or test.arguments[0] is not operand:
        return None
    literal = test.arguments[1]
    if isinstance(literal, TypedLiteral) and literal.type in _IN_TYPES:
        return literal
    return None


def _check_number_of_arguments(function: Function, node: Call) -> None:
    count = len(node.arguments)
    if count < function.fewest or (function.most is not None and count > function.most):
        raise ExpressionError(
            f"{function.signature} was given {count} arguments.", node.position
        )


def _check_bounds(
    function: Function, parameter: Parameter, typed: TypedNode, node: Node
) -> None:
    if not isinstance(typed, TypedLiteral) or not isinstance(typed.value, int):
        return
    too_low = parameter.minimum is not None and typed.value < parameter.minimum
    too_high = parameter.maximum is not None and typed.value > parameter.maximum
    if too_low or too_high:
        bounds = f"at least {parameter.minimum}"
        if parameter.maximum is not None:
            bounds += f" and at most {parameter.maximum}"
        raise ExpressionError(
            f"'{parameter.name}' of {function.name} must be {bounds}.", node.position
        )


def _check_text(
    function: Function, parameter: Parameter, typed: TypedNode, node: Node
) -> None:
    """Refuse what no compiler could do: pad with no or two characters, cut at none."""
    text = typed.value if isinstance(typed, TypedLiteral) else None
    if parameter.name == "fill" and isinstance(text, str) and len(text) != 1:
        message = f"'fill' of {function.name} must be one character."
        raise ExpressionError(message, node.position)
    if parameter.name == "by" and text == "":
        message = f"'by' of {function.name} must hold something."
        raise ExpressionError(message, node.position)


def _null_where_length_is(call: Operation) -> TypedNode:
    """Guard `substr` against a null length, which polars takes as "to the end"."""
    length = call.arguments[-1]
    if len(call.arguments) < 3 or (
        isinstance(length, TypedLiteral) and length.value is not None
    ):
        return call
    is_null = Operation(ColumnType.BOOLEAN, "is_null", (length,))
    null = TypedLiteral(call.type, None)
    return TypedCase(call.type, ((is_null, null),), call)
