"""Reads the sizes of an exported program, which PyTorch evaluates as Python.

They are written as sympy writes its objects, `Add(Symbol('s0'), Integer(1))`, or by
older versions as `s0 + 1`. Both are read as a syntax tree of calls of known names.
"""

import ast
import re

_MAX_LENGTH = 2000
_MAX_POWERS = 4
_SYMBOL = re.compile(r"[a-z]{1,4}\d{1,9}\Z", re.ASCII)
_FUNCTIONS = frozenset(
    [
        "Add",
        "CeilToInt",
        "CleanDiv",
        "Equality",
        "Eq",
        "FloorDiv",
        "FloorToInt",
        "Ge",
        "GreaterThan",
        "Gt",
        "Integer",
        "IntTrueDiv",
        "Le",
        "LessThan",
        "Lt",
        "Max",
        "Min",
        "Mod",
        "ModularIndexing",
        "Mul",
        "Ne",
        "Pow",
        "PythonMod",
        "Rational",
        "StrictGreaterThan",
        "StrictLessThan",
        "Symbol",
        "ToFloat",
        "TruncToInt",
        "Unequality",
        "Where",
    ]
)
_KEYWORDS = frozenset(["integer", "nonnegative", "positive", "real"])
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div, ast.Mod)


def is_size(text: str) -> bool:
    """True for a size that is made of numbers, symbols and known functions."""
    if len(text) > _MAX_LENGTH or text.count("Pow") + text.count("**") > _MAX_POWERS:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return _is_plain(tree.body)


def symbol_of(text: str) -> str | None:
    """The name of the symbol, where the size is nothing else."""
    match = re.match(r"(?:Symbol\('(\w+)'[\w=, ]*\)|(\w+))\Z", text, re.ASCII)
    return None if match is None else match[1] or match[2]


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return _is_number(node.value)
    if isinstance(node, ast.Name):
        return node.id == "int_oo" or _SYMBOL.match(node.id) is not None
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and _is_plain(node.operand)
    if isinstance(node, ast.BinOp):
        is_power = isinstance(node.op, ast.Pow) and _is_small(node.right)
        is_known = is_power or isinstance(node.op, _OPERATORS)
        return is_known and _is_plain(node.left) and _is_plain(node.right)
    if isinstance(node, ast.Compare):
        return all(map(_is_plain, [node.left, *node.comparators]))
    return isinstance(node, ast.Call) and _is_known_call(node)


def _is_known_call(node: ast.Call) -> bool:
    if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
        return False
    if node.func.id == "Symbol":
        return _is_symbol(node)
    if node.func.id == "Pow" and not (len(node.args) == 2 and _is_small(node.args[1])):
        return False
    return not node.keywords and all(map(_is_plain, node.args))


def _is_symbol(node: ast.Call) -> bool:
    (name,) = node.args if len(node.args) == 1 else (None,)
    return (
        isinstance(name, ast.Constant)
        and isinstance(name.value, str)
        and _SYMBOL.match(name.value) is not None
        and all(
            one.arg in _KEYWORDS
            and isinstance(one.value, ast.Constant)
            and isinstance(one.value.value, bool)
            for one in node.keywords
        )
    )


def _is_small(node: ast.expr) -> bool:
    """A number of one digit, written plainly or as sympy does."""
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if is_call and node.func.id == "Integer" and len(node.args) == 1:  # type: ignore[attr-defined]
        return _is_small(node.args[0])  # type: ignore[attr-defined]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _is_small(node.operand)
    return (
        isinstance(node, ast.Constant)
        and _is_number(node.value)
        and abs(node.value) < 10  # type: ignore[arg-type]
    )


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 1 << 62  # type: ignore[arg-type]
