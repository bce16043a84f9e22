"""Reads a program of `torch.export` (`.pt2`) as data, and gives back a clean copy.

PyTorch's own reader resolves operator names by attribute, hands size expressions to a
parser that evaluates them, puts names into generated source code, compiles guards and
falls back to unpickling. So nothing of the file reaches it as it came: each string is
checked for what it may be, whatever has no part in an answer is left out, and the
archive that is loaded is written anew from what was checked.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from foretell.models.gate.archives import CODE_SUFFIXES, Archive
from foretell.models.gate.containers import BadContainer
from foretell.models.gate.exported_weights import CONFIGS, PREFIXES, payloads
from foretell.models.gate.objections import Objection
from foretell.models.gate.sizes import is_size
from foretell.models.gate.tensor_ops import judge_target
from foretell.models.gate.verdict import Outcome, Reason, Verdict

FORMAT = "pt2"
MODEL = "models/model.json"
SAMPLE = "data/sample_inputs/model.pt"
_MAX_JSON = 64 << 20
_MAX_DEPTH = 60
_NAME = re.compile(r"\w[\w.-]{0,499}\Z", re.ASCII)
_NUMBERS = frozenset({"Infinity", "-Infinity", "NaN"})
_TREES = frozenset(
    ["builtins.dict", "builtins.list", "builtins.tuple", "collections.OrderedDict"]
)
_DROPPED: dict[str, Any] = {"metadata": {}, "guards_code": []}


@dataclass(frozen=True, slots=True)
class Exported:
    """What a `.pt2` file holds, checked.

    Attributes:
        program: The program as JSON, without anything that is not needed to run it.
        configs: The JSON files that describe the tensors, by their place.
        payloads: Members with the raw items of the tensors, named as below the root.
        root: The folder inside the archive, with a slash at its end.
    """

    verdict: Verdict
    program: Mapping[str, Any] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    payloads: tuple[str, ...] = ()
    root: str = ""


def read_exported(archive: Archive, root: str) -> Exported:
    """Judge an archive of the format `pt2`; never executes any of it."""
    size = sum(archive.sizes.values())
    try:
        _check_members(archive, root)
        cleaner = _Cleaner()
        program = cleaner.clean(_json(archive, root + MODEL))
        configs, held = {}, []
        for place, name in CONFIGS.items():
            configs[name] = cleaner.clean(_json(archive, root + name))
            held += payloads(archive, root, place, configs[name])
    except Objection as objection:
        outcome: Outcome = "hostile" if objection.hostile else "unknown"
        return Exported(_verdict(outcome, [objection.reason], size))
    except (BadContainer, RecursionError) as error:
        reason = Reason("container", str(error)[:300])
        return Exported(_verdict("hostile", [reason], size))
    except (AttributeError, KeyError, TypeError, ValueError):
        reason = Reason(
            "container", "The JSON of the program is not what it should be."
        )
        return Exported(_verdict("hostile", [reason], size))
    version = str(program.get("torch_version", ""))[:40]
    outcome = cleaner.outcome
    verdict = _verdict(outcome, cleaner.reasons, size, {"torch": version})
    return Exported(verdict, program, configs, tuple(held), root)


def _verdict(
    outcome: Outcome,
    reasons: list[Reason],
    size: int,
    libraries: dict[str, str] | None = None,
) -> Verdict:
    return Verdict(
        outcome, FORMAT, reasons=reasons, bytes=size, libraries=libraries or {}
    )


def _check_members(archive: Archive, root: str) -> None:
    """Refuse native code, pickled objects and more than one program."""
    for name in archive.sizes:
        if not name.startswith(root):
            raise Objection("member", f"{name[:80]!r} lies outside the program.")
        inner = name.removeprefix(root)
        if inner.startswith(("data/aotinductor/", "data/executorch/", "data/mtia")):
            message = "The archive holds compiled machine code, which is not loaded."
            raise Objection("native_code", message, inner[:80])
        if inner.endswith(CODE_SUFFIXES):
            message = "The archive holds a second pickle, or code."
            raise Objection("second_pickle", message, inner[:80])
        if inner.startswith("models/") and inner != MODEL:
            message = "The archive holds several programs; export one by itself."
            raise Objection("programs", message, inner[:80], hostile=False)
        if not _is_known_member(inner):
            message = f"No exported program has a member {inner[:80]!r}."
            raise Objection("member", message, inner[:80])


def _is_known_member(inner: str) -> bool:
    if inner in (MODEL, SAMPLE, *CONFIGS.values()) or inner.startswith("extra/"):
        return True
    for place, prefix in PREFIXES.items():
        number = inner.removeprefix(place + prefix)
        if number != inner and number.isascii() and number.isdigit():
            return True
    return inner in (
        "archive_format",
        "archive_version",
        "byteorder",
        "version",
        ".data/version",
        ".data/serialization_id",
    )


def _json(archive: Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(name, _MAX_JSON))
    except ValueError as error:
        if isinstance(error, BadContainer):
            raise
        raise BadContainer(f"{name[:80]!r} is not JSON.") from error


class _Cleaner:
    """Walks the JSON of a program and copies what may stay."""

    def __init__(self) -> None:
        self.reasons: list[Reason] = []
        self.outcome: Outcome = "safe"
        self._told: set[str] = set()

    def clean(self, value: Any, key: str = "", depth: int = 0) -> Any:
        """A copy of a value that stands under `key`.

        Raises:
            Objection: It is something that an exported program never holds.
        """
        if depth > _MAX_DEPTH:
            raise Objection("nesting", "The program is nested too deeply.")
        if key in _DROPPED:
            return _DROPPED[key]
        check = _CHECKS.get(key)
        if check is not None:
            return check(self, value)
        if isinstance(value, dict):
            return {
                _checked_name(name): self.clean(one, name, depth + 1)
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [self.clean(one, key, depth + 1) for one in value]
        return _checked_name(value) if isinstance(value, str) else value

    def operator(self, value: Any) -> str:
        target = str(value)
        code = judge_target(target)
        if code == "dangerous_op":
            message = f"A node calls {target[:120]!r}, which is no operator of tensors."
            raise Objection(code, message, target[:120])
        if code is not None and target not in self._told:
            self._told.add(target)
            self.outcome = "unknown"
            self.reasons.append(Reason(code, _about_operator(code, target), target))
        return target


def _about_operator(code: str, target: str) -> str:
    if code == "random_op":
        return (
            f"{target} draws random numbers, so that the same row would be answered "
            "otherwise each time. Call net.eval() before torch.export.export."
        )
    return (
        f"The operator {target} is not among those that are known to compute only. "
        "Export the net without it, or to ONNX; an administrator may trust the file."
    )


def _checked_name(value: Any) -> Any:
    """A name: it becomes an attribute and part of generated code."""
    is_name = isinstance(value, str) and (value == "" or _NAME.match(value))
    parts = str(value).split(".")
    if not is_name or any(p.startswith("__") and p.endswith("__") for p in parts if p):
        message = f"{str(value)[:80]!r} is no name that PyTorch gives."
        raise Objection("name", message)
    return value


def _expression(cleaner: _Cleaner, value: Any) -> str:
    """A size such as `2*s0 + 1`; PyTorch evaluates it as code."""
    text = str(value)
    if not is_size(text):
        raise Objection("expression", f"{text[:80]!r} is no size of a tensor.")
    return text


def _tree(cleaner: _Cleaner, value: Any) -> str:
    """How arguments and results are nested, as text that PyTorch decodes."""
    try:
        spec = json.loads(value)
    except (TypeError, ValueError) as error:
        raise Objection("tree", "The form of the arguments is unreadable.") from error
    if not isinstance(spec, list) or len(spec) != 2 or spec[0] != 1:
        raise Objection("tree", "The form of the arguments is of an unknown version.")
    _check_tree(spec[1], 0)
    return json.dumps(spec)


def _check_tree(node: Any, depth: int) -> None:
    is_node = isinstance(node, dict) and set(node) == {
        "type",
        "context",
        "children_spec",
    }
    if depth > _MAX_DEPTH or not is_node or not isinstance(node["children_spec"], list):
        raise Objection("tree", "The form of the arguments is unreadable.")
    if node["type"] is not None and node["type"] not in _TREES:
        kind = str(node["type"])[:80]
        message = (
            f"The program takes or gives a {kind}; export it with plain tensors, "
            "tuples, lists or dictionaries."
        )
        raise Objection("tree", message, kind, hostile=False)
    _check_context(node["context"])
    for child in node["children_spec"]:
        _check_tree(child, depth + 1)


def _check_context(context: Any) -> None:
    if context is None or context == "null":
        return
    try:
        keys = json.loads(context)
    except (TypeError, ValueError) as error:
        raise Objection("tree", "The form of the arguments is unreadable.") from error
    if not isinstance(keys, list) or not all(isinstance(k, str | int) for k in keys):
        raise Objection("tree", "A dictionary of the program has unusual keys.")
    for key in keys:
        _checked_name(f"k{key}")


def _text(cleaner: _Cleaner, value: Any) -> Any:
    texts = value if isinstance(value, list) else [value]
    for one in texts:
        if not isinstance(one, str) or len(one) > 1000 or not one.isprintable():
            raise Objection("text", "A node has an unusual text as an argument.")
    return value


def _number(cleaner: _Cleaner, value: Any) -> Any:
    numbers = value if isinstance(value, list) else [value]
    for one in numbers:
        is_plain = isinstance(one, int | float) or (
            isinstance(one, str) and one in _NUMBERS
        )
        if not is_plain:
            raise Objection("number", "A node has an unusual number as an argument.")
    return value


def _version(cleaner: _Cleaner, value: Any) -> str:
    return re.sub(r"[^\w.+<= -]", "", str(value))[:40]


def _device(cleaner: _Cleaner, value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind != "cpu":
        message = (
            f"The program was exported on the device {str(kind)[:40]!r}. Export it on "
            "the CPU: net.cpu().eval(), example tensors on the CPU too."
        )
        raise Objection("device", message, hostile=False)
    return {"type": "cpu", "index": None}


def _object(cleaner: _Cleaner, value: Any) -> Any:
    if not value:
        return value
    message = "The program holds objects of its own classes, which only code can make."
    raise Objection("custom_object", message, hostile=False)


def _ranges(cleaner: _Cleaner, value: Any) -> Any:
    if not isinstance(value, dict):
        raise Objection("range", "The ranges of sizes are unreadable.")
    for symbol, limits in value.items():
        _expression(cleaner, symbol)
        is_range = isinstance(limits, dict) and set(limits) <= {"min_val", "max_val"}
        if not is_range or not all(_is_limit(v) for v in limits.values()):
            raise Objection("range", "The ranges of sizes are unreadable.")
    return value


def _is_limit(value: Any) -> bool:
    return value is None or (isinstance(value, int) and abs(value) < 1 << 64)


_CHECKS: dict[str, Callable[[_Cleaner, Any], Any]] = {
    "target": _Cleaner.operator,
    "as_operator": _Cleaner.operator,
    "expr_str": _expression,
    "in_spec": _tree,
    "out_spec": _tree,
    "as_float": _number,
    "as_floats": _number,
    "as_string": _text,
    "as_strings": _text,
    "torch_version": _version,
    "device": _device,
    "as_device": _device,
    "as_custom_obj": _object,
    "custom_obj": _object,
    "custom_obj_values": _object,
    "treespec_namedtuple_fields": _object,
    "range_constraints": _ranges,
}
