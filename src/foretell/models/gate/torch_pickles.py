"""Reads the pickles inside PyTorch's zip archives through the gate.

They are those of Python with one addition: a tensor's storage is a reference to
another member. In TorchScript files they build instances of the classes whose code
lies beside them; everywhere else only tensors and plain containers are known.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from foretell.models.gate.archives import Archive
from foretell.models.gate.containers import BadContainer
from foretell.models.gate.machine import (
    BoundedReader,
    Findings,
    Machine,
    Refused,
    _Located,
)
from foretell.models.gate.values import Items, Made, Name, Pairs
from foretell.models.gate.verdict import Reason

MAX_PICKLE_BYTES = 64 << 20
_STORAGE = re.compile(r"(?:[A-Z]\w*Storage|storage\.[A-Z]\w*Storage)\Z", re.ASCII)
_SCRIPT_NAME = re.compile(r"__torch__(?:\.\w+)*\Z", re.ASCII)
_LISTS = frozenset(
    f"torch.jit._pickle.build_{kind}list"
    for kind in ("bool", "double", "int", "tensor")
)
_REBUILT = frozenset(
    {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"}
)
_PLAIN = frozenset({"torch.device", "torch.jit._pickle.restore_type_tag"})
_DTYPE = re.compile(r"torch\.(?:b?float|int|uint|complex|bool|half|double|long)\d*\Z")


class TorchMachine(Machine):
    """The gate's machine for a pickle that PyTorch wrote.

    Args:
        is_script: Classes of `__torch__` may be made: their code is in the archive.
    """

    def __init__(
        self, file: BoundedReader, findings: Findings, *, is_script: bool
    ) -> None:
        super().__init__(file, findings)
        self._is_script = is_script
        self.tensors = 0

    def _step(self, opcode: str, argument: Any) -> None:
        if opcode == "BINPERSID":
            self._on_storage()
        else:
            super()._step(opcode, argument)

    def _on_storage(self) -> None:
        parts = self._pop()
        kinds = (str, Name, str, str, int)
        is_storage = (
            isinstance(parts, tuple)
            and len(parts) >= 5
            and all(isinstance(p, k) for p, k in zip(parts, kinds, strict=False))
            and parts[0] == "storage"
            and self._is_tensor_name(parts[1])
            and re.match(r"\w{1,80}\Z", parts[2]) is not None
        )
        if not is_storage:
            raise Refused("storage", "A reference is not one to a tensor's storage.")
        self._stack.append(Made(Name("torch", "storage"), is_built=True))

    def _is_tensor_name(self, name: Name) -> bool:
        dotted = str(name)
        return name.module in ("torch", "torch.storage") and bool(
            _STORAGE.match(name.name) or _DTYPE.match(dotted)
        )

    def _is_script_class(self, name: Name) -> bool:
        return self._is_script and _SCRIPT_NAME.match(name.module) is not None

    def _push_name(self, module: str, name: str) -> None:
        found = Name(module, name)
        dotted = str(found)
        is_known = (
            self._is_tensor_name(found)
            or self._is_script_class(found)
            or dotted in _REBUILT
            or (self._is_script and (dotted in _LISTS or dotted in _PLAIN))
        )
        if not is_known:
            super()._push_name(module, name)
            return
        self._findings.globals.add(dotted)
        self._stack.append(found)

    def _store(self, value: Any) -> Any:
        if isinstance(value, Name) and self._is_tensor_name(value):
            return value
        return super()._store(value)

    def _called(self, function: Name, args: tuple[Any, ...]) -> Any:
        dotted = str(function)
        if dotted in _REBUILT:
            return self._tensor(function, args)
        if self._is_script and dotted in _LISTS:
            is_list = len(args) == 1 and isinstance(args[0], Items)
            if not is_list:
                raise Refused("call", f"{dotted} is not called with a list.", dotted)
            return args[0]
        if self._is_script and dotted in _PLAIN:
            self._store(args)
            return args[0] if dotted.endswith("tag") else Made(function, args)
        return super()._called(function, args)

    def _tensor(self, function: Name, args: tuple[Any, ...]) -> Made:
        if not args or not isinstance(args[0], Made):
            raise Refused("call", "A tensor has no storage.", str(function))
        for arg in args[1:]:
            is_plain = isinstance(arg, int | tuple | Made | Pairs | None)
            if not is_plain or (isinstance(arg, tuple) and not _are_sizes(arg)):
                raise Refused("call", "A tensor has an unusual form.", str(function))
        self.tensors += 1
        return Made(function, args, is_built=True)

    def _check_keys(self, target: Made, state: Pairs) -> None:
        if target.is_known:  # an unknown class was objected to as a whole
            super()._check_keys(target, state)

    def _check_new(self, klass: Name, args: tuple[Any, ...]) -> bool:
        if self._is_script_class(klass):
            self._store(args)
            return True
        return super()._check_new(klass, args)


def _are_sizes(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)


@dataclass(frozen=True, slots=True)
class Read:
    """What a pickle holds: the note about its one object, and how many tensors."""

    top: Any
    tensors: int


def read_pickle(
    archive: Archive, name: str, findings: Findings, *, is_script: bool
) -> Read | None:
    """Walk one pickle of an archive; what speaks against it goes to `findings`.

    Returns:
        None where the pickle cannot be read to its end.
    """
    try:
        data = archive.read(name, MAX_PICKLE_BYTES)
    except BadContainer as error:
        findings.object_to(Reason("container", str(error)), is_hostile=True)
        return None
    stream = io.BytesIO(data)
    machine = TorchMachine(
        BoundedReader(stream, len(data)), findings, is_script=is_script
    )
    try:
        top = machine.run()
    except _Located as refusal:
        findings.object_to(refusal.as_reason(), is_hostile=True)
        return None
    if stream.tell() != len(data):
        message = f"There are bytes after the end of the pickle {name[:80]!r}."
        findings.object_to(Reason("trailing", message), is_hostile=True)
    return Read(top, machine.tensors)


def is_state_dict(top: Any) -> bool:
    """True for a mapping from names to tensors, and no object with code of its own."""
    mapping = isinstance(top, Pairs) or (
        isinstance(top, Made) and str(top.of) == "collections.OrderedDict"
    )
    return bool(mapping)
