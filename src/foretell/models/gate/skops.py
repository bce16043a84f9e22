"""Reads what a skops file would build, without building any of it.

A skops file is a zip archive with a tree of nodes (`schema.json`) and the arrays that
the nodes name. Its own reader trusts lists of types; here every node is held against
the list that pickles are held against, by what its loader does with the type: calls
it, makes an instance without its constructor, or keeps it as a value.

Nodes are met in the order in which skops makes them, and an id that was met stands
for the node met first, as it does there.

Source:
    skops.io, protocols 1 and 2 (`_audit.get_tree` and the `*Node` classes).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from foretell.models.gate.allow import Use, canonical, find, use_of
from foretell.models.gate.danger import is_hostile
from foretell.models.gate.machine import Findings, Refused
from foretell.models.gate.refusal_words import explain
from foretell.models.gate.skops_archive import Archive
from foretell.models.gate.values import Name
from foretell.models.gate.verdict import Outcome, Reason, Verdict

MAX_DEPTH = 200
MAX_NODES = 2_000_000
_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_KEY_TYPES = ("bool", "float", "int", "str")
_BOOSTERS = {
    "xgboost.core.Booster": "save_model('model.ubj')",
    "lightgbm.basic.Booster": "booster_.save_model('model.txt')",
}
_CHECK_ARRAY = "sklearn.utils.validation.check_array"


@dataclass(slots=True)
class Node:
    """A note about one object.

    Attributes:
        value: The scalar of a JsonNode; the shape of an array.
        items: Parts in order, of a dictionary its values.
        keys: Of a dictionary.
    """

    loader: str
    name: Name
    value: Any = None
    items: "list[Node]" = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    is_whole: bool = False

    def part(self, key: str) -> "Node | None":
        """What a dictionary holds under a key."""
        pairs = zip(self.keys, self.items, strict=False)
        return next((item for name, item in pairs if name == key), None)


@dataclass(frozen=True, slots=True)
class ScannedSkops:
    """A verdict, and the types that skops is told to trust for it."""

    verdict: Verdict
    types: list[str]


def scan_skops(path: Path, *, allow: Sequence[str] = ()) -> ScannedSkops:
    """Judge a skops file.

    Args:
        allow: Packages whose classes the operator admits (`PICKLE_ALLOW`).
    """
    findings = Findings(allow)
    types: set[str] = set()
    size = 0
    try:
        with ZipFile(path) as file:
            archive = Archive(file)
            size = archive.size
            reader = _Reader(archive, findings)
            reader.run()
            types = reader.types
    except Refused as refusal:
        reason = Reason(refusal.code, refusal.message, refusal.name)
        findings.object_to(reason, is_hostile=True)
    except (
        BadZipFile,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        OSError,
    ) as error:
        words = f"The skops file is broken or cut off ({type(error).__name__})."
        findings.object_to(Reason("malformed", words), is_hostile=True)
    outcome: Outcome = "unknown" if findings.unknown else "gated"
    verdict = Verdict(
        outcome="hostile" if findings.hostile else outcome,
        format="skops",
        globals=sorted(findings.globals),
        reasons=findings.hostile + findings.unknown,
        libraries=findings.libraries,
        bytes=size,
    )
    return ScannedSkops(verdict, sorted(types))


class _Reader:
    def __init__(self, archive: Archive, findings: Findings) -> None:
        self._archive = archive
        self._findings = findings
        self._memo: dict[Any, Node] = {}
        self._count = 0
        self.types: set[str] = set()

    def run(self) -> None:
        schema = json.loads(self._archive.text("schema.json"))
        if schema.get("protocol") not in (1, 2):
            raise Refused("protocol", "Save it again with a present release of skops.")
        version = schema.get("_skops_version")
        if isinstance(version, str):
            self._findings.libraries["skops"] = version[:40]
        self._node(schema, 0)

    def _node(self, state: Any, depth: int) -> Node:
        if not isinstance(state, dict):
            raise Refused("malformed", "A node of the skops file is none.")
        known = self._memo.get(state.get("__id__"))
        if known is not None:
            if not known.is_whole:
                raise Refused("cycle", "An object of the skops file holds itself.")
            return known
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            raise Refused("nesting", "The skops file is nested too deeply.")
        loader, module, name = (
            state[key] for key in ("__loader__", "__module__", "__class__")
        )
        if not all(isinstance(one, str) for one in (loader, module, name)):
            raise Refused("malformed", "A node of the skops file has no type.")
        handler = _HANDLERS.get(loader)
        if handler is None:
            raise Refused("loader", f"Nodes of the kind {loader[:80]!r} are not read.")
        node = Node(loader, Name(*canonical(module, name)))
        if state.get("__id__"):
            self._memo[state["__id__"]] = node
        if loader not in ("JsonNode", "TreeNode"):  # whose types skops does not use
            self._findings.globals.add(f"{module}.{name}")
            self.types.add(f"{module}.{name}")
        handler(self, node, state, depth + 1)
        node.is_whole = True
        return node

    def _nodes(self, states: Any, depth: int) -> Iterator[Node]:
        if not isinstance(states, list):
            raise Refused("malformed", "A list of the skops file is none.")
        for state in states:
            yield self._node(state, depth)

    # -- values --------------------------------------------------------------------

    def _on_json(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        node.value = json.loads(state["content"])

    def _on_dict(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._demand(node, "builtins.dict", "collections.OrderedDict")
        kinds = self._node(state["key_types"], depth)
        for kind in kinds.items:  # each is called with its key
            is_text = str(kind.name).removeprefix("builtins.") in _KEY_TYPES
            found = find(kind.name.module, kind.name.name)
            if kind.loader != "TypeNode" or not (is_text or _is_scalar(found)):
                raise Refused("call", f"A key is made by {kind.name}.", str(kind.name))
        content = state["content"]
        node.keys = list(content)
        node.items = [self._node(one, depth) for one in content.values()]

    def _on_defaultdict(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._demand(node, "collections.defaultdict")
        content = state["content"]
        main = self._node(content["main"], depth)
        factory = self._node(content["default_factory"], depth)
        is_none = factory.loader == "JsonNode" and factory.value is None
        if not is_none and str(factory.name) not in _FACTORIES:
            words = f"Missing keys would be made by {factory.name}."
            raise Refused("call", words, str(factory.name))
        if main.loader != "DictNode":
            raise Refused("malformed", "A dictionary of the skops file is none.")

    def _on_items(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        kinds = {"ListNode": ["list"], "TupleNode": ["tuple"]}
        names = kinds.get(node.loader, ["set", "frozenset"])
        self._demand(node, *(f"builtins.{name}" for name in names))
        node.items = list(self._nodes(state["content"], depth))

    def _on_slice(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._demand(node, "builtins.slice")
        content = state["content"]
        if not all(
            isinstance(content[key], int | None) for key in ("start", "stop", "step")
        ):
            raise Refused("malformed", "A slice of the skops file is none.")

    def _on_bytes(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._demand(node, "builtins.bytes", "builtins.bytearray")
        node.value = self._archive.length(state["file"])

    def _on_stored(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        """A class or function that becomes a value."""
        if str(node.name) == _CHECK_ARRAY and node.loader == "FunctionNode":
            return  # histogram boosting keeps it to read its numbers
        if Use.STORE not in use_of(node.name.module, node.name.name):
            self._object(node.name, "kept as a value")

    def _on_partial(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        content = state["content"]
        function, args, kwds, more = (
            self._node(content[key], depth)
            for key in ("func", "args", "kwds", "namespace")
        )
        if str(function.name) != _CHECK_ARRAY or args.items or more.items:
            raise Refused("call", "A partial function is not a known one.")
        if kwds.loader != "DictNode" or not all(_is_plain(one) for one in kwds.items):
            raise Refused("call", "A partial function is not a known one.")

    # -- objects -------------------------------------------------------------------

    def _on_object(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        if str(node.name) in _BOOSTERS:
            way = _BOOSTERS[str(node.name)]
            words = f"Save a {node.name} by its own {way} and upload that file."
            raise Refused("booster", words, str(node.name))
        is_known = Use.NEW in use_of(node.name.module, node.name.name)
        if not self._findings.is_admitted(node.name) and not is_known:
            self._object(node.name, "instantiated")
        if state.get("content") is None:
            return
        held = self._node(state["content"], depth)
        is_none = held.loader == "JsonNode" and held.value is None
        if held.loader == "DictNode":
            self._check_attributes(node.name, held)
        elif not is_none and Use.CALL not in use_of(node.name.module, node.name.name):
            # Compiled classes read their states by code of their own.
            raise Refused("state", "A state is not a dictionary.", str(node.name))

    def _check_attributes(self, name: Name, held: Node) -> None:
        for key, value in zip(held.keys, held.items, strict=True):
            if key.startswith("__") and key.endswith("__") and key != "__doc__":
                raise Refused("state", f"A state sets {key}.", str(name))
            text = value.value if isinstance(value.value, str) else None
            if key == "_sklearn_version" and text is not None:
                self._findings.libraries.setdefault("scikit-learn", text[:40])
            if key == "input" and text in ("filename", "file"):
                words = "The model opens the files that requests name."
                raise Refused("state", words, str(name))
            if key == "_parse_arg_template":
                raise Refused("state", "A distribution carries code.", str(name))

    def _on_constructor(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        args = self._node(state["content"], depth)
        self._check_call(node.name, args)

    def _on_loss(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._node(state["content"], depth)
        self._check_call(node.name, self._node(state["__reduce__"]["args"], depth))

    def _check_call(self, name: Name, args: Node) -> None:
        is_safe = Use.CALL in use_of(name.module, name.name)
        if not is_safe or name.module.split(".")[0] not in ("sklearn", "datetime"):
            self._object(name, "called")
        if args.loader != "TupleNode" or not all(_is_plain(one) for one in args.items):
            raise Refused("call", f"{name} is called with objects.", str(name))

    def _on_tree(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        """`Tree(n_features, n_classes, n_outputs)` reads n_outputs items of n_classes."""
        self._node(state["content"], depth)
        args = self._node(state["__reduce__"]["args"], depth).items
        if len(args) != 3 or not all(isinstance(args[n].value, int) for n in (0, 2)):
            raise Refused("call", "A tree is made from other things than its sizes.")
        if args[1].loader != "NdArrayNode" or args[1].value != (args[2].value,):
            raise Refused("call", "A tree's sizes do not fit each other.")
        self.types.add("sklearn.tree._tree.Tree")
        self._findings.globals.add("sklearn.tree._tree.Tree")

    # -- arrays --------------------------------------------------------------------

    def _on_array(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        found = find(node.name.module, node.name.name)
        if str(node.name) != "numpy.ndarray" and not _is_scalar(found):
            self._object(node.name, "made of an array")
        if state["type"] == "numpy":
            node.value = self._archive.array_shape(state["file"])
            return
        if state["type"] != "json":
            raise Refused("malformed", "An array of the skops file is of no kind.")
        node.items = list(self._nodes(state["content"], depth))
        self._node(state["shape"], depth)

    def _on_masked(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._demand(node, "numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray")
        for key in ("data", "mask"):
            self._node(state["content"][key], depth)

    def _on_dtype(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._demand(node, "numpy.dtype")
        if self._node(state["content"], depth).loader != "NdArrayNode":
            raise Refused("malformed", "A dtype of the skops file is none.")

    def _on_sparse(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        is_matrix = node.name.module.startswith("scipy.sparse")
        if not is_matrix or Use.NEW not in use_of(node.name.module, node.name.name):
            self._object(node.name, "made of arrays")
        self._archive.check_arrays(state["file"])

    def _on_random_state(
        self, node: Node, state: Mapping[str, Any], depth: int
    ) -> None:
        self._demand(node, "numpy.random.mtrand.RandomState")
        self._node(state["content"], depth)

    def _on_generator(self, node: Node, state: Mapping[str, Any], depth: int) -> None:
        self._demand(node, "numpy.random._generator.Generator")
        content = state["content"]
        bits = self._node(content["bit_generator"], depth)
        kind = bits.part("bit_generator") if bits.loader == "DictNode" else None
        if kind is None or kind.value not in _GENERATORS:
            raise Refused("call", "A random generator of another kind.")
        if "seed_seq" not in content:
            return
        seed = self._node(content["seed_seq"], depth)
        size = seed.part("pool_size")
        if size is not None and not (isinstance(size.value, int) and size.value <= 64):
            raise Refused("call", "A random generator asks for a large pool.")

    # -- objections ------------------------------------------------------------------

    def _demand(self, node: Node, *names: str) -> None:
        if str(node.name) not in names:
            words = f"{node.name} is not what a {node.loader} holds."
            raise Refused("misuse", words, str(node.name))

    def _object(self, name: Name, how: str) -> None:
        if use_of(name.module, name.name) is Use.NONE:
            hostile = is_hostile(name.module, name.name)
            code = "dangerous_name" if hostile else "unknown_class"
            words = explain(name, hostile=hostile)
        else:
            hostile, code, words = True, "misuse", f"{name} must not be {how} here."
        reason = Reason(code, words, str(name))
        self._findings.object_to(reason, is_hostile=hostile)


_FACTORIES = tuple(
    f"builtins.{name}" for name in ("dict", "float", "int", "list", "set", "str")
)


def _is_plain(node: Node) -> bool:
    """True for numbers and text, and for types that numbers are read as."""
    if node.loader == "TypeNode":
        return True  # was held against the list as a value
    return node.loader == "JsonNode" and not isinstance(node.value, list | dict)


def _is_scalar(found: Any) -> bool:
    import numpy as np

    return isinstance(found, type) and issubclass(found, np.generic)


_Handler = Callable[[_Reader, Node, Mapping[str, Any], int], None]
_HANDLERS: dict[str, _Handler] = {
    "BytearrayNode": _Reader._on_bytes,
    "BytesNode": _Reader._on_bytes,
    "ConstructorFromReduceNode": _Reader._on_constructor,
    "DTypeNode": _Reader._on_dtype,
    "DefaultDictNode": _Reader._on_defaultdict,
    "DictNode": _Reader._on_dict,
    "FunctionNode": _Reader._on_stored,
    "JsonNode": _Reader._on_json,
    "ListNode": _Reader._on_items,
    "LossNode": _Reader._on_loss,
    "MaskedArrayNode": _Reader._on_masked,
    "NdArrayNode": _Reader._on_array,
    "ObjectNode": _Reader._on_object,
    "PartialNode": _Reader._on_partial,
    "RandomGeneratorNode": _Reader._on_generator,
    "RandomStateNode": _Reader._on_random_state,
    "SetNode": _Reader._on_items,
    "SliceNode": _Reader._on_slice,
    "SparseMatrixNode": _Reader._on_sparse,
    "TreeNode": _Reader._on_tree,
    "TupleNode": _Reader._on_items,
    "TypeNode": _Reader._on_stored,
}
