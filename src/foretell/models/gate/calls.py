"""What each callable on the list may be called with.

Being on the list is not enough: `list` fills the memory when called with a range,
`bytearray` when called with a number, and numpy's generator constructor calls its
second argument.
"""

from collections.abc import Callable
from typing import Any

from foretell.models.gate.allow import Use, find, use_of
from foretell.models.gate.arrays import (
    BadArray,
    check_payload,
    checked_shape,
    dtype_of_args,
    payload_length,
)
from foretell.models.gate.values import Blob, Items, Made, Name, Pairs

Args = tuple[Any, ...]


class BadCall(ValueError):
    """The arguments are not those that a pickler writes."""


def call(function: Name, args: Args) -> Any:
    """The value that a permitted call leaves on the stack.

    Raises:
        BadCall: The arguments are not those that a pickler writes.
    """
    check = _CHECKS.get(str(function), _plain)
    try:
        return check(function, args)
    except BadArray as error:
        raise BadCall(str(error)) from error


def is_plain(value: Any) -> bool:
    """True for data: no name of something that can be called, at any depth."""
    if isinstance(value, Name):
        return Use.STORE in use_of(value.module, value.name)
    if isinstance(value, tuple):
        return all(is_plain(item) for item in value)
    return True  # lists and dictionaries were checked when they were filled


def _plain(function: Name, args: Args) -> Made:
    if not all(is_plain(arg) or _is_rebuilt_type(arg) for arg in args):
        raise BadCall("A callable is handed over as an argument.")
    return Made(function, args)


def _is_rebuilt_type(arg: Any) -> bool:
    """A compiled class that Cython's rebuilders are given."""
    return isinstance(arg, Name) and Use.NEW | Use.CALL in use_of(arg.module, arg.name)


def _container(function: Name, args: Args) -> Any:
    if len(args) > 1:
        raise BadCall("A container is made from several arguments.")
    source = args[0] if args else None
    if source is not None and not isinstance(source, Items | Pairs | tuple):
        raise BadCall("A container is not made from a literal container.")
    if isinstance(source, tuple) and not is_plain(source):
        raise BadCall("A container holds a callable.")
    if function.name == "dict":
        return Pairs(list(source.pairs) if isinstance(source, Pairs) else [])
    if function.name == "tuple" and isinstance(source, Items):
        return tuple(source.items)
    items = source.items if isinstance(source, Items) else list(source or ())  # type: ignore[arg-type]
    return Items(function.name, list(items))


def _bytes(function: Name, args: Args) -> Blob:
    if not args:
        return Blob(0)
    if len(args) == 2 and isinstance(args[0], str) and _is_latin1(args[1]):
        return Blob(len(args[0]))
    if len(args) == 1 and payload_length(args[0]) >= 0:
        return Blob(payload_length(args[0]))
    raise BadCall("A byte string is not made from bytes.")


def _encode(function: Name, args: Args) -> bytes | Blob:
    if len(args) != 2 or not isinstance(args[0], str) or not _is_latin1(args[1]):
        raise BadCall("Text is encoded with another codec than latin1.")
    if len(args[0]) > 256:
        return Blob(len(args[0]))
    try:
        return args[0].encode("latin-1")
    except UnicodeEncodeError as error:
        raise BadCall("Text that latin1 cannot hold is encoded.") from error


def _is_latin1(codec: Any) -> bool:
    return codec in ("latin1", "latin-1")


def _numbers(function: Name, args: Args) -> Made:
    if not all(isinstance(arg, int | float | None) for arg in args):
        raise BadCall(f"{function} is not made from numbers.")
    return Made(function, args)


def _refused(function: Name, args: Args) -> Made:
    raise BadCall(f"{function} is not called by any pickler.")


def _defaultdict(function: Name, args: Args) -> Made:
    if len(args) > 1 or not all(
        arg is None or (str(arg).startswith("builtins.") and is_plain(arg))
        # LightGBM keeps the best scores of each data set in such a one.
        or str(arg) == "collections.OrderedDict"
        for arg in args
    ):
        raise BadCall("A defaultdict makes its values by a call that is not known.")
    return Made(function, args)


def _deque(function: Name, args: Args) -> Items:
    if args and not (isinstance(args[0], Items | tuple) and args[0] in ((), args[0])):
        raise BadCall("A deque is not made from a literal list.")
    return Items("deque")


def _text(function: Name, args: Args) -> Made:
    if len(args) != 1 or not isinstance(args[0], str) or len(args[0]) > 10_000:
        raise BadCall(f"{function} is not made from text.")
    return Made(function, args)


def _reconstructor(function: Name, args: Args) -> Made:
    base, value = (str(args[1]), args[2]) if len(args) == 3 else ("", None)
    is_dict = base == "builtins.dict" and isinstance(value, Pairs)
    if not is_dict and (base != "builtins.object" or value is not None):
        raise BadCall("An object is rebuilt on another base than object or dict.")
    if not isinstance(args[0], Name):
        raise BadCall("An object is rebuilt from something that is not a class.")
    return Made(args[0], is_known=Use.NEW in use_of(args[0].module, args[0].name))


def _dtype(function: Name, args: Args) -> Made:
    return Made(function, args, detail=dtype_of_args(args))


def _empty_array(function: Name, args: Args) -> Made:
    wanted = len(args) == 3 and str(args[0]) == "numpy.ndarray"
    if not wanted or args[1] != (0,) or args[2] not in (b"b", "b"):
        raise BadCall("An array is rebuilt from unusual arguments.")
    return Made(Name("numpy", "ndarray"))


def _masked_array(function: Name, args: Args) -> Made:
    names = [str(arg) for arg in args[:2]]
    if len(args) != 4 or names != ["numpy.ma.MaskedArray", "numpy.ndarray"]:
        raise BadCall("A masked array is rebuilt from unusual arguments.")
    if args[2] != (0,):
        raise BadCall("A masked array is rebuilt with a size.")
    return Made(function)


def _scalar(function: Name, args: Args) -> Made:
    if len(args) != 2 or not isinstance(args[0], Made) or args[0].detail is None:
        raise BadCall("A numpy scalar has no dtype.")
    if args[0].detail.hasobject:
        raise BadCall("A numpy scalar of objects.")
    check_payload((), args[0], args[1])
    return Made(function, args)


def _frombuffer(function: Name, args: Args) -> Made:
    if len(args) not in (4, 5):
        raise BadCall("An array is rebuilt from unusual arguments.")
    payload, dtype, shape, order = args[:4]
    if order not in ("C", "F", "A", "K", None):
        raise BadCall("An array has an unknown order.")
    detail = check_payload(checked_shape(shape), dtype, payload)
    return Made(Name("numpy", "ndarray"), is_built=True, detail=detail)


def _generator(function: Name, args: Args) -> Made:
    for arg in args:
        is_generator = isinstance(arg, Made) and arg.of.module.startswith(
            "numpy.random"
        )
        is_ctor = str(arg) == "numpy.random._pickle.__bit_generator_ctor"
        if not (is_generator or is_ctor or isinstance(arg, str) or _is_bits(arg)):
            raise BadCall("A random generator is rebuilt from unusual arguments.")
    return Made(function, args)


def _is_bits(arg: Any) -> bool:
    return isinstance(arg, Name) and arg.module.startswith("numpy.random._")


def _seed(function: Name, args: Args) -> Made:
    if not args or str(args[0]) != "numpy.random.bit_generator.SeedSequence":
        raise BadCall("A seed sequence of another class.")
    return _plain(function, args[1:])


def is_known_partial(args: Args) -> bool:
    """True for the one partial function that scikit-learn itself stores.

    Histogram boosting keeps `partial(check_array, ...)` to read its numbers.
    """
    return [str(arg) for arg in args] == ["sklearn.utils.validation.check_array"]


def _backed(function: Name, args: Args) -> Made:
    """An empty pandas array of a class whose data comes with its state."""
    klass = args[0] if args else None
    if not isinstance(klass, Name) or Use.NEW not in use_of(klass.module, klass.name):
        raise BadCall("An array of an unknown class.")
    _plain(function, args[1:])
    return Made(klass)


def _index(function: Name, args: Args) -> Made:
    if len(args) != 2 or not isinstance(args[1], Pairs):
        raise BadCall("An index is rebuilt from unusual arguments.")
    klass = args[0]
    kind = find("pandas", "Index")
    found = find(klass.module, klass.name) if isinstance(klass, Name) else None
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise BadCall("An index of another class.")
    return Made(klass)


def _tree(function: Name, args: Args) -> Made:
    """`Tree(n_features, n_classes, n_outputs)` reads n_outputs items of n_classes."""
    features, classes, outputs = args if len(args) == 3 else (None, None, None)
    shape = classes.detail[0] if isinstance(classes, Made) and classes.detail else None
    size = shape if isinstance(shape, int) else (shape or (None,))[0]
    if not isinstance(features, int) or not isinstance(outputs, int) or size != outputs:
        raise BadCall("A tree's sizes do not fit each other.")
    return Made(function, args)


_CHECKS: dict[str, Callable[[Name, Args], Any]] = {
    **{
        f"builtins.{name}": _container
        for name in ("dict", "frozenset", "list", "set", "tuple")
    },
    "builtins.bytearray": _bytes,
    "builtins.bytes": _bytes,
    "builtins.complex": _numbers,
    "builtins.range": _numbers,
    "builtins.slice": _numbers,
    **{f"builtins.{name}": _refused for name in ("bool", "float", "int", "str")},
    "builtins.object": _refused,
    "_codecs.encode": _encode,
    "collections.defaultdict": _defaultdict,
    "collections.deque": _deque,
    "copyreg._reconstructor": _reconstructor,
    "decimal.Decimal": _text,
    "fractions.Fraction": _text,
    "functools.partial": lambda function, args: Made(function, args),
    "numpy.dtype": _dtype,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
    "numpy.ma.core._mareconstruct": _masked_array,
    "numpy.random._pickle.__bit_generator_ctor": _generator,
    "numpy.random._pickle.__generator_ctor": _generator,
    "numpy.random._pickle.__randomstate_ctor": _generator,
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence": _seed,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": _backed,
    "pandas.core.indexes.base._new_Index": _index,
    "pandas.core.indexes.datetimes._new_DatetimeIndex": _index,
    "pandas.core.indexes.period._new_PeriodIndex": _index,
    "sklearn.tree._tree.Tree": _tree,
}
