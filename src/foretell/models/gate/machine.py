"""A pickle machine that executes nothing: it walks the opcodes and takes notes.

Real pickle machines differ in small ways (frames, memo, old opcodes), and a file that
reads one way here and another way there would be a way through. So the machine takes
only the form that Python's own picklers write and refuses every other, even where
each single opcode would be harmless.
"""

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, cast

from foretell.models.gate.allow import Use, canonical, find, is_library, use_of
from foretell.models.gate.arrays import (
    BadArray,
    check_payload,
    checked_shape,
    dtype_of_state,
)
from foretell.models.gate.calls import BadCall, call, is_known_partial, is_plain
from foretell.models.gate.danger import is_hostile
from foretell.models.gate.refusal_words import explain
from foretell.models.gate.values import SMALL_BYTES, Blob, Items, Made, Name, Pairs
from foretell.models.gate.verdict import Reason

_MAX_NESTING = 8
_WRAPPER = Name("joblib.numpy_pickle", "NumpyArrayWrapper")
_MARK = object()
_LITERALS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_FORBIDDEN = {
    "INST": "calls a class the way Python 1 did",
    "OBJ": "calls a class the way Python 1 did",
    "EXT1": "uses the extension registry",
    "EXT2": "uses the extension registry",
    "EXT4": "uses the extension registry",
    "PERSID": "refers to an object outside the file",
    "BINPERSID": "refers to an object outside the file",
    "NEXT_BUFFER": "refers to a buffer outside the file",
    "READONLY_BUFFER": "refers to a buffer outside the file",
    "DUP": "is written by no pickler",
    "STRING": "is a byte string of Python 2",
    "BINSTRING": "is a byte string of Python 2",
    "SHORT_BINSTRING": "is a byte string of Python 2",
}


class Refused(Exception):
    """The stream cannot be read on: it is not one that a pickler wrote."""

    def __init__(self, code: str, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = name


class BoundedReader:
    """A file that never reads past its end, so no length can ask for memory."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self.size = size

    def tell(self) -> int:
        return self._file.tell()

    def read(self, count: int) -> bytes:
        if count < 0 or count > self.size - self._file.tell():
            raise Refused("truncated", "The file ends before the data it announces.")
        return self._file.read(count)

    def readline(self) -> bytes:
        return self._file.readline()

    def skip(self, count: int) -> None:
        if count < 0 or count > self.size - self._file.tell():
            raise Refused("truncated", "The file ends before the data it announces.")
        self._file.seek(count, 1)


class Findings:
    """What all streams of one file have in common: names seen and objections."""

    def __init__(self, allow: Sequence[str]) -> None:
        self.allow = tuple(allow)
        self.globals: set[str] = set()
        self.by_admission: set[tuple[str, str]] = set()
        self.hostile: list[Reason] = []
        self.unknown: list[Reason] = []
        self.libraries: dict[str, str] = {}
        self.has_joblib_arrays = False
        self._told: set[str] = set()

    def object_to(self, reason: Reason, *, is_hostile: bool) -> None:
        key = f"{reason.code} {reason.name}"
        if key in self._told:
            return
        self._told.add(key)
        (self.hostile if is_hostile else self.unknown).append(reason)

    def is_admitted(self, name: Name) -> bool:
        """True for names below a package the operator listed."""
        module = name.module + "."
        is_below = any(module.startswith(package + ".") for package in self.allow)
        is_hostile_anyway = is_hostile(name.module, name.name)
        if is_below and "." not in name.name and not is_hostile_anyway:
            self.by_admission.add((name.module, name.name))
            return True
        return False


class Machine:
    """Reads one pickle stream from where the file stands to its STOP."""

    def __init__(self, file: BoundedReader, findings: Findings, depth: int = 0) -> None:
        self._file = file
        self._findings = findings
        self._depth = depth
        self._stack: list[Any] = []
        self._memo: list[Any] = []
        self._protocol = 0
        self._frame_end: int | None = None
        self._opcode = ""
        self._position = 0
        self._start = file.tell()

    def run(self) -> Any:
        """Read the stream; give back the note about its one object.

        Raises:
            Refused: The stream is not one that a pickler wrote.
        """
        try:
            for opcode, argument, position in pickletools.genops(
                cast(IO[bytes], self._file)
            ):
                self._opcode, self._position = opcode.name, position or 0
                self._check_frame(argument)
                self._step(opcode.name, argument)
        except Refused as refusal:
            if refusal.code == "truncated":
                self._position = self._file.tell()
            raise _Located(refusal, self._opcode, self._position) from refusal
        except (ValueError, IndexError, TypeError, MemoryError) as error:
            broken = Refused("malformed", "The file is not a well-formed pickle.")
            raise _Located(broken, self._opcode, self._position) from error
        return self._stack[-1]

    # -- reading ---------------------------------------------------------------

    def _check_frame(self, argument: Any) -> None:
        """Frames must hold whole opcodes, and nothing may reach out of one.

        The Python and the C machine read on in different places after a frame
        that ends in the middle of something.
        """
        end = self._file.tell()
        if self._opcode == "FRAME":
            if self._frame_end is not None and self._position != self._frame_end:
                raise Refused("frame", "A frame starts inside another one.")
            self._frame_end = end + argument
            if self._frame_end > self._file.size:
                raise Refused("truncated", "A frame is longer than the file.")
        elif self._frame_end is not None:
            if self._position == self._frame_end:
                self._frame_end = None
            elif end > self._frame_end:
                raise Refused("frame", "An opcode reaches out of its frame.")

    def _is_outside_frames(self) -> bool:
        return self._frame_end is None or self._file.tell() == self._frame_end

    def _step(self, opcode: str, argument: Any) -> None:
        if opcode in _LITERALS:
            self._stack.append(_literal(argument))
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _FORBIDDEN:
            message = f"The opcode {opcode} {_FORBIDDEN[opcode]}."
            raise Refused("opcode", message, _named(argument))
        else:
            handler = _HANDLERS.get(opcode)
            if handler is None:
                raise Refused("opcode", f"The opcode {opcode} is not accepted.")
            handler(self, argument)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise Refused("malformed", "A mark stands where a value was expected.")
        return value

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise Refused("malformed", "A value is missing.")
        return self._stack[-1]

    def _pop_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise Refused("malformed", "A mark is missing.")

    def _on_protocol(self, argument: int) -> None:
        if self._position != self._start or argument > 5:
            raise Refused("protocol", "The protocol is announced in the wrong place.")
        self._protocol = argument

    def _on_frame(self, argument: int) -> None:
        if self._protocol < 4:
            raise Refused("frame", "A frame in a protocol that has none.")

    def _on_stop(self, argument: None) -> None:
        if len(self._stack) != 1 or self._stack[0] is _MARK:
            raise Refused("malformed", "The file does not leave exactly one object.")
        if not self._is_outside_frames():
            raise Refused("trailing", "There are bytes after the end of the pickle.")
        self._store(self._stack[0])

    def _on_mark(self, argument: None) -> None:
        self._stack.append(_MARK)

    def _on_pop(self, argument: None) -> None:
        self._pop()

    def _on_pop_mark(self, argument: None) -> None:
        self._pop_mark()

    # -- memo ------------------------------------------------------------------

    def _on_put(self, argument: int) -> None:
        if argument != len(self._memo):
            raise Refused("memo", "The memo is not filled in order.")
        self._memo.append(self._top())

    def _on_memoize(self, argument: None) -> None:
        self._memo.append(self._top())

    def _on_get(self, argument: int) -> None:
        if not 0 <= argument < len(self._memo):
            raise Refused("memo", "The memo is read where nothing was stored.")
        self._stack.append(self._memo[argument])

    # -- containers --------------------------------------------------------------

    def _store(self, value: Any) -> Any:
        """Check a value that becomes part of the loaded object."""
        if is_plain(value):
            return value
        for name in _names(value):
            if Use.STORE not in use_of(name.module, name.name):
                self._object_to_use(name, "kept as a value")
        return value

    def _on_tuple(self, argument: None) -> None:
        self._stack.append(tuple(self._pop_mark()))

    def _tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def _on_empty_tuple(self, argument: None) -> None:
        self._stack.append(())

    def _on_empty_list(self, argument: None) -> None:
        self._stack.append(Items("list"))

    def _on_list(self, argument: None) -> None:
        items = [self._store(item) for item in self._pop_mark()]
        self._stack.append(Items("list", items))

    def _on_append(self, argument: None) -> None:
        self._extend([self._pop()])

    def _on_appends(self, argument: None) -> None:
        self._extend(self._pop_mark())

    def _extend(self, items: Iterable[Any]) -> None:
        target = self._top()
        if not isinstance(target, Items) or target.kind not in ("list", "deque"):
            self._object_to_target(target, "appended to")
            return
        target.items.extend(self._store(item) for item in items)

    def _on_empty_set(self, argument: None) -> None:
        self._stack.append(Items("set"))

    def _on_add_items(self, argument: None) -> None:
        items = self._pop_mark()
        target = self._top()
        if not isinstance(target, Items) or target.kind != "set":
            self._object_to_target(target, "added to")
            return
        target.items.extend(self._store(item) for item in items)

    def _on_frozenset(self, argument: None) -> None:
        items = [self._store(item) for item in self._pop_mark()]
        self._stack.append(Items("frozenset", items))

    def _on_empty_dict(self, argument: None) -> None:
        self._stack.append(Pairs())

    def _on_dict(self, argument: None) -> None:
        items = self._pop_mark()
        self._stack.append(Pairs())
        self._set_items(items)

    def _on_set_item(self, argument: None) -> None:
        value = self._pop()
        key = self._pop()
        self._set_items([key, value])

    def _on_set_items(self, argument: None) -> None:
        self._set_items(self._pop_mark())

    def _set_items(self, items: Sequence[Any]) -> None:
        if len(items) % 2:
            raise Refused("malformed", "A dictionary has a key without a value.")
        target = self._top()
        if isinstance(target, Made) and not _is_mapping(target.of):
            self._object_to_target(target, "given items")
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            # A field of a dtype pairs the dtype class with nothing: plain values.
            pair = (self._store(key), self._store(value))
            if isinstance(target, Pairs):
                target.pairs.append(pair)
            elif not isinstance(target, Made):
                self._object_to_target(target, "given items")

    # -- names and objects ---------------------------------------------------------

    def _on_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_name(module, name)

    def _on_stack_global(self, argument: None) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Refused("malformed", "A name is not text.")
        self._push_name(module, name)

    def _push_name(self, module: str, name: str) -> None:
        if self._protocol < 3:
            if (module, name) in NAME_MAPPING:
                module, name = NAME_MAPPING[(module, name)]
            elif module in IMPORT_MAPPING:
                module = IMPORT_MAPPING[module]
        self._findings.globals.add(f"{module}.{name}")
        found = Name(*canonical(module, name))
        self._stack.append(found)
        if found == _WRAPPER or self._findings.is_admitted(found):
            return
        if use_of(found.module, found.name) is Use.NONE and not _is_inner(found):
            self._object_to_name(found)

    def _on_reduce(self, argument: None) -> None:
        args, function = self._pop(), self._pop()
        if not isinstance(args, tuple):
            raise Refused("call", "A call without a tuple of arguments.")
        if not isinstance(function, Name):
            raise Refused("call", "Something that is not a name is called.")
        self._stack.append(self._called(function, args))

    def _called(self, function: Name, args: tuple[Any, ...]) -> Any:
        if self._findings.is_admitted(function):
            self._store(args)
            return Made(function, args)
        use = use_of(function.module, function.name)
        if str(function) == "functools.partial" and not is_known_partial(args):
            self._store(args)
            self._object_to_name(function)
            return Made(function, args, is_known=False)
        if Use.CALL not in use:
            self._object_to_use(function, "called")
            return Made(function, args, is_known=False)
        try:
            made = call(function, args)
        except BadCall as error:
            raise Refused("call", str(error), str(function)) from error
        if isinstance(made, Made) and str(function) == "copyreg._reconstructor":
            self._check_new(made.of, ())
        return made

    def _on_new(self, argument: None) -> None:
        args, klass = self._pop(), self._pop()
        self._new(klass, args)

    def _on_new_ex(self, argument: None) -> None:
        kwargs, args, klass = self._pop(), self._pop(), self._pop()
        if not isinstance(kwargs, Pairs) or kwargs.pairs:
            raise Refused("new", "An instance is made with keyword arguments.")
        self._new(klass, args)

    def _new(self, klass: Any, args: Any) -> None:
        if not isinstance(klass, Name) or not isinstance(args, tuple):
            raise Refused("new", "An instance is made from something not a class.")
        is_known = self._check_new(klass, args)
        self._stack.append(Made(klass, args, is_known=is_known))

    def _check_new(self, klass: Name, args: tuple[Any, ...]) -> bool:
        self._store(args)
        if klass == _WRAPPER or self._findings.is_admitted(klass):
            return True
        if Use.NEW not in use_of(klass.module, klass.name):
            self._object_to_use(klass, "instantiated")
            return False
        return True

    def _on_build(self, argument: None) -> None:
        state, target = self._pop(), self._top()
        if not isinstance(target, Made):
            raise Refused("build", "A state is set on something not made here.")
        if target.is_built:
            raise Refused("build", "A state is set twice.", str(target.of))
        target.is_built = True
        if target.of == _WRAPPER:
            self._stack[-1] = self._read_joblib_array(state)
            return
        try:
            self._build(target, state)
        except BadArray as error:
            raise Refused("array", str(error), str(target.of)) from error

    def _build(self, target: Made, state: Any) -> None:
        name = str(target.of)
        if name == "numpy.dtype":
            target.detail = dtype_of_state(target.detail, state)
        elif name == "functools.partial" and target.is_known:
            if not isinstance(state, tuple) or state[:2] != (target.args[0], ()):
                raise Refused("state", "A partial function is exchanged.", name)
            self._store(state[2:])
        elif name == "numpy.ndarray":
            if not isinstance(state, tuple) or len(state) != 5:
                raise BadArray("An array has a state of unknown form.")
            target.detail = check_payload(state[1], state[2], state[4])
        else:
            self._check_state(target, state)

    def _check_state(self, target: Made, state: Any) -> None:
        self._store(state)
        if _is_distribution(target.of) and not isinstance(state, Pairs):
            # scipy makes a call of another form of state, with code in it.
            raise Refused("state", "A distribution carries code.", str(target.of))
        parts = state if isinstance(state, tuple) else (state,)
        if isinstance(state, tuple) and _is_slot_state(state) and _is_python(target.of):
            raise Refused("state", "A state sets attributes by name.", str(target.of))
        for part in parts:
            if isinstance(part, Pairs):
                self._check_keys(target, part)

    def _check_keys(self, target: Made, state: Pairs) -> None:
        for key, value in state.pairs:
            if not isinstance(key, str) and _is_python(target.of):
                raise Refused("state", "An attribute's name is not text.")
            if _is_dunder(key) and not (key == "__doc__" and isinstance(value, str)):
                raise Refused("state", f"A state sets {key}.", str(target.of))
            if key == "_sklearn_version" and isinstance(value, str):
                self._findings.libraries.setdefault("scikit-learn", value[:40])
            if key == "input" and value in ("filename", "file"):
                message = "The model opens the files that requests name."
                raise Refused("state", message, str(target.of))
            if key == "_parse_arg_template" and value != _template_of(target.of):
                raise Refused("state", "A distribution carries code.", str(target.of))

    # -- joblib ------------------------------------------------------------------

    def _read_joblib_array(self, state: Any) -> Made:
        """Read the raw items that joblib puts after the wrapper's state."""
        self._findings.has_joblib_arrays = True
        if not isinstance(state, Pairs):
            raise Refused("joblib", "An array's wrapper has a state of unknown form.")
        if str(state.get("subclass")) not in ("numpy.ndarray", "numpy.memmap"):
            raise Refused("joblib", "An array of another class than numpy's own.")
        if not self._is_outside_frames():
            raise Refused("frame", "An array's data starts inside a frame.")
        dtype, order = state.get("dtype"), state.get("order")
        detail = dtype.detail if isinstance(dtype, Made) else None
        if detail is None or order not in ("C", "F", "K", "A"):
            raise Refused("joblib", "An array's wrapper is incomplete.")
        self._frame_end = None
        try:
            shape = checked_shape(_tuple(state.get("shape")))
        except BadArray as error:
            raise Refused("joblib", str(error)) from error
        if detail.hasobject:
            return self._read_inner_pickle(shape)
        return self._skip_items(shape, detail, state.get("numpy_array_alignment_bytes"))

    def _read_inner_pickle(self, shape: tuple[int, ...]) -> Made:
        if self._depth >= _MAX_NESTING:
            raise Refused("nesting", "Pickles are nested too deeply.")
        inner = Machine(self._file, self._findings, self._depth + 1).run()
        if not isinstance(inner, Made) or str(inner.of) != "numpy.ndarray":
            raise Refused("joblib", "An object array is not an array.")
        return inner

    def _skip_items(self, shape: tuple[int, ...], dtype: Any, align: Any) -> Made:
        if align is not None:
            self._file.skip(self._file.read(1)[0])
        count = 1
        for size in shape:
            count *= size
        self._file.skip(count * dtype.itemsize)
        return Made(Name("numpy", "ndarray"), is_built=True, detail=(shape, dtype))

    # -- objections --------------------------------------------------------------

    def _object_to_name(self, name: Name) -> None:
        hostile = is_hostile(name.module, name.name)
        self._object(
            "dangerous_name" if hostile else "unknown_class",
            explain(name, hostile=hostile),
            name,
            hostile=hostile,
        )

    def _object_to_use(self, name: Name, how: str) -> None:
        """A known name used in a way it must not be; unknown ones were told."""
        if use_of(name.module, name.name) is Use.NONE and not _is_inner(name):
            if how == "called" and is_library(name.module):
                self._object("call", f"{name} is {how}.", name, hostile=True)
            return
        self._object("misuse", f"{name} must not be {how} here.", name, hostile=True)

    def _object_to_target(self, target: Any, how: str) -> None:
        if isinstance(target, Made) and not target.is_known:
            return
        name = target.of if isinstance(target, Made) else None
        raise Refused("container", f"Something not a container is {how}.", str(name))

    def _object(self, code: str, message: str, name: Name, *, hostile: bool) -> None:
        reason = Reason(code, message, str(name), self._position, self._opcode)
        self._findings.object_to(reason, is_hostile=hostile)


class _Located(Refused):
    """A refusal that knows its place in the stream."""

    def __init__(self, refusal: Refused, opcode: str, position: int) -> None:
        super().__init__(refusal.code, refusal.message, refusal.name)
        located = isinstance(refusal, _Located)
        self.opcode: str = refusal.opcode if located else opcode  # type: ignore[attr-defined]
        self.position: int = refusal.position if located else position  # type: ignore[attr-defined]

    def as_reason(self) -> Reason:
        return Reason(self.code, self.message, self.name, self.position, self.opcode)


def _literal(argument: Any) -> Any:
    if isinstance(argument, bytes | bytearray):
        return bytes(argument) if len(argument) <= SMALL_BYTES else Blob(len(argument))
    return argument


def _named(argument: Any) -> str | None:
    return argument.replace(" ", ".") if isinstance(argument, str) else None


def _names(value: Any) -> Iterable[Name]:
    if isinstance(value, Name):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _names(item)


def _tuple(shape: Any) -> Any:
    return tuple(shape.items) if isinstance(shape, Items) else shape


def _is_inner(name: Name) -> bool:
    """Class names that are legal only as the argument of a known call."""
    return str(name) in (
        "sklearn.utils.validation.check_array",
        "numpy.memmap",
        "numpy.ma.MaskedArray",
        "numpy.random.bit_generator.SeedSequence",
    )


def _is_mapping(name: Name) -> bool:
    return str(name) in (
        "collections.OrderedDict",
        "collections.Counter",
        "collections.defaultdict",
        "sklearn.utils._bunch.Bunch",
    )


def _is_python(name: Name) -> bool:
    """True for classes whose attributes BUILD sets in Python."""
    found = find(name.module, name.name)
    return not is_library(name.module) or (
        isinstance(found, type)
        and hasattr(found, "__dict__")
        and bool(found.__flags__ & (1 << 9))
    )


def _is_slot_state(state: tuple[Any, ...]) -> bool:
    return len(state) == 2 and isinstance(state[1], Pairs)


def _is_dunder(key: Any) -> bool:
    return isinstance(key, str) and key.startswith("__") and key.endswith("__")


def _is_distribution(name: Name) -> bool:
    """True for scipy's distributions, whose __setstate__ executes a template."""
    found = find(name.module, name.name)
    kind = find("scipy.stats._distn_infrastructure", "rv_generic")
    return isinstance(found, type) and kind is not None and issubclass(found, kind)


def _template_of(name: Name) -> str | None:
    """The argument parser that scipy itself makes for a distribution's class."""
    found = find(name.module, name.name)
    template = getattr(found(), "_parse_arg_template", None) if found else None
    return template if isinstance(template, str) else None


_HANDLERS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": Machine._on_protocol,
    "FRAME": Machine._on_frame,
    "STOP": Machine._on_stop,
    "MARK": Machine._on_mark,
    "POP": Machine._on_pop,
    "POP_MARK": Machine._on_pop_mark,
    "PUT": Machine._on_put,
    "BINPUT": Machine._on_put,
    "LONG_BINPUT": Machine._on_put,
    "MEMOIZE": Machine._on_memoize,
    "GET": Machine._on_get,
    "BINGET": Machine._on_get,
    "LONG_BINGET": Machine._on_get,
    "EMPTY_TUPLE": Machine._on_empty_tuple,
    "TUPLE": Machine._on_tuple,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "EMPTY_LIST": Machine._on_empty_list,
    "LIST": Machine._on_list,
    "APPEND": Machine._on_append,
    "APPENDS": Machine._on_appends,
    "EMPTY_SET": Machine._on_empty_set,
    "ADDITEMS": Machine._on_add_items,
    "FROZENSET": Machine._on_frozenset,
    "EMPTY_DICT": Machine._on_empty_dict,
    "DICT": Machine._on_dict,
    "SETITEM": Machine._on_set_item,
    "SETITEMS": Machine._on_set_items,
    "GLOBAL": Machine._on_global,
    "STACK_GLOBAL": Machine._on_stack_global,
    "REDUCE": Machine._on_reduce,
    "NEWOBJ": Machine._on_new,
    "NEWOBJ_EX": Machine._on_new_ex,
    "BUILD": Machine._on_build,
}
