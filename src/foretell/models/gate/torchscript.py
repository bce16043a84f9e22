"""Reads a TorchScript archive: its pickles by the machine, its code as a syntax tree.

TorchScript is a small language in Python's syntax, run by PyTorch's own interpreter,
partly while the file is loaded. The interpreter knows operators that open files, so
each operator that the code names must be one of those that only compute.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from foretell.models.gate.archives import CODE_SUFFIXES, Archive
from foretell.models.gate.containers import BadContainer
from foretell.models.gate.machine import Findings
from foretell.models.gate.tensor_ops import PRIM, RANDOM, SCRIPT, is_hostile, is_known
from foretell.models.gate.torch_pickles import read_pickle
from foretell.models.gate.verdict import Outcome, Reason, Verdict

FORMAT = "torchscript"
_MAX_CODE = 16 << 20
_FUNCTIONS = frozenset(
    [
        "annotate",
        "bool",
        "complex",
        "device",
        "dict",
        "float",
        "getattr",
        "hasattr",
        "int",
        "isinstance",
        "list",
        "str",
        "tuple",
        "unchecked_cast",
        "uninitialized",
        "range",
        "AssertionError",
        "Exception",
        "NotImplementedError",
        "RuntimeError",
        "ValueError",
    ]
)
# What the printer of TorchScript writes; all else (imports, lambdas, tries) it never does.
_SYNTAX = (
    ast.AnnAssign,
    ast.arg,
    ast.arguments,
    ast.Assert,
    ast.Assign,
    ast.Attribute,
    ast.BinOp,
    ast.BoolOp,
    ast.Break,
    ast.Call,
    ast.ClassDef,
    ast.Compare,
    ast.Constant,
    ast.Continue,
    ast.Dict,
    ast.Expr,
    ast.expr_context,
    ast.For,
    ast.FunctionDef,
    ast.If,
    ast.IfExp,
    ast.keyword,
    ast.List,
    ast.Module,
    ast.Name,
    ast.Pass,
    ast.Raise,
    ast.Return,
    ast.Slice,
    ast.Starred,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
    ast.While,
    ast.boolop,
    ast.cmpop,
    ast.operator,
    ast.unaryop,
)
_NAMESPACES = ("torch", "ops")
_LOCAL = re.compile(r"_\d{1,9}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Script:
    """A TorchScript file, judged.

    Attributes:
        members: What loading needs, below the root: no debug data, no extra files.
        root: The folder inside the archive, with a slash at its end.
    """

    verdict: Verdict
    members: tuple[str, ...] = ()
    root: str = ""


def read_script(archive: Archive, root: str, findings: Findings) -> Script:
    """Judge an archive of `torch.jit.save`; never executes any of it."""
    members: list[str] = []
    trees: dict[str, ast.Module] = {}
    for name in archive.sizes:
        inner = name.removeprefix(root)
        if not name.startswith(root) or not _is_known_member(inner):
            message = f"No TorchScript file has a member {name[:80]!r}."
            findings.object_to(Reason("member", message, name[:80]), is_hostile=True)
        elif not inner.endswith(".debug_pkl") and not inner.startswith("extra/"):
            members.append(inner)
        if inner.startswith("code/") and inner.endswith(".py"):
            tree = _parsed(archive, name, findings)
            if tree is not None:
                trees[inner] = tree
    for pickle in ("data.pkl", "constants.pkl"):
        if root + pickle in archive.sizes:
            read_pickle(archive, root + pickle, findings, is_script=True)
    _check_code(trees, findings)
    size = sum(archive.sizes.values())
    return Script(_verdict(findings, size), tuple(members), root)


def _verdict(findings: Findings, size: int) -> Verdict:
    outcome: Outcome = "gated"
    if findings.hostile:
        outcome = "hostile"
    elif findings.unknown:
        outcome = "unknown"
    return Verdict(
        outcome,
        FORMAT,
        globals=sorted(findings.globals),
        reasons=findings.hostile + findings.unknown,
        bytes=size,
    )


def _is_known_member(inner: str) -> bool:
    if re.match(r"(?:data|constants)/\d{1,9}\Z", inner, re.ASCII):
        return True
    if re.match(r"code/__torch__(?:[/\w]|\.)*\.py(?:\.debug_pkl)?\Z", inner, re.ASCII):
        return True
    if inner.startswith("extra/"):
        return not inner.endswith(CODE_SUFFIXES)
    return inner in (
        "data.pkl",
        "constants.pkl",
        "version",
        "byteorder",
        ".data/version",
        ".data/serialization_id",
    )


def _parsed(archive: Archive, name: str, findings: Findings) -> ast.Module | None:
    try:
        return ast.parse(archive.read(name, _MAX_CODE).decode())
    except BadContainer as error:
        reason = Reason("container", str(error))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        message = f"The code in {name[:80]!r} is not what PyTorch writes."
        reason = Reason("code", message, name[:80])
    findings.object_to(reason, is_hostile=True)
    return None


def _check_code(trees: dict[str, ast.Module], findings: Findings) -> None:
    methods = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    for tree in trees.values():
        for node in ast.walk(tree):
            for reason, hostile in _objections(node, methods):
                findings.object_to(reason, is_hostile=hostile)


def _objections(node: ast.AST, methods: set[str]) -> Iterator[tuple[Reason, bool]]:
    if not isinstance(node, _SYNTAX):
        kind = type(node).__name__
        yield Reason("code", f"TorchScript has no {kind}.", kind), True
    if isinstance(node, ast.Attribute):
        chain = _chain(node)
        if chain is not None and chain[0] in _NAMESPACES:
            yield from _about(chain)
    elif any(_is_namespace(child) for child in ast.iter_child_nodes(node)):
        yield Reason("code", "The code passes on a whole library.", None), True
    if isinstance(node, ast.Call):
        called = _called(node.func)
        # `_0 = __torch__.functional.softmax`, then `_0(x)`: the type is checked there.
        is_local = isinstance(node.func, ast.Name) and _LOCAL.match(node.func.id)
        if called is not None and not is_local and called not in _FUNCTIONS | methods:
            message = f"The code calls {called[:80]!r}, which is not known."
            yield Reason("code", message, called[:80]), True


def _is_namespace(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _NAMESPACES


def _called(function: ast.expr) -> str | None:
    """The name that has to be known; None where the operator is checked by itself."""
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        chain = _chain(function)
        if chain is not None and chain[0] in (*_NAMESPACES, "__torch__"):
            return None
        return function.attr
    return type(function).__name__


def _chain(node: ast.Attribute) -> list[str] | None:
    """`a.b.c` as its names; None where it begins with something else than a name."""
    names: list[str] = []
    one: ast.expr = node
    while isinstance(one, ast.Attribute):
        names.append(one.attr)
        one = one.value
    if not isinstance(one, ast.Name):
        return None
    return [one.id, *reversed(names)]


def _about(chain: list[str]) -> Iterator[tuple[Reason, bool]]:
    """Objections to `torch.NAME` and `ops.LIBRARY.NAME`."""
    dotted = ".".join(chain)
    if chain[0] == "ops":
        if len(chain) < 3:
            return  # the inner part of a longer chain, which comes by itself
        library, name = chain[1], chain[2]
    else:
        library, name = "aten", chain[1]
    if library == "prim" and name in PRIM:
        return
    if library == "aten" and (name in SCRIPT or is_known(name)):
        return
    if library == "aten" and is_hostile(name):
        message = f"The code calls {dotted}, which reaches for files or raw memory."
        yield Reason("dangerous_op", message, dotted[:120]), True
        return
    if library == "aten" and name.removesuffix("_") in RANDOM:
        message = (
            f"{dotted} draws random numbers, so that the same row would be answered "
            "otherwise each time. Call net.eval() before torch.jit.script."
        )
        yield Reason("random_op", message, dotted[:120]), False
        return
    message = (
        f"The operator {dotted} is not among those that are known to compute only. "
        "Export the net by torch.export, or to ONNX; an administrator may trust it."
    )
    yield Reason("unknown_op", message, dotted[:120]), False
