"""Which names a pickle may use, and how: derived from the installed libraries.

Three uses, and a name may have more than one:

- CALL: REDUCE may call it. Value types of the standard library, the functions with
  which numpy, pandas, scipy and pyarrow rebuild their objects, and compiled
  extension types. Their arguments are checked by `calls.py`.
- NEW: an instance may be made by `__new__`; `__init__` never runs. Estimators, and
  the kinds of helper objects that estimators keep.
- STORE: it may be kept as a value and is never called while loading: ufuncs,
  metrics, scorers, scalar types.

The rule looks at one name when it is asked for it, by importing the library module
that defines it (only modules of the libraries named here, never test or command
modules). So a new release of scikit-learn brings its new estimators along, and a
re-exported `os` stays out because it was not defined there.
"""

import importlib
import inspect
import sys
from enum import Flag, auto
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any


class Use(Flag):
    """How a name may be used; no flag: not at all."""

    NONE = 0
    CALL = auto()
    NEW = auto()
    STORE = auto()


_VALUE_TYPES = frozenset(
    f"builtins.{name}"
    for name in [
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "object",
        "range",
        "set",
        "slice",
        "str",
        "tuple",
    ]
)
_STORED = frozenset(
    {
        "builtins.Ellipsis",
        "builtins.NotImplemented",
        "numpy.ndarray",
        "numpy.random._pickle.__bit_generator_ctor",
        # Functions of arrays that estimators keep as a parameter or choose in fit.
        "numpy.max",
        "numpy.mean",
        "numpy.median",
        "numpy.min",
        "numpy.sum",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "sklearn.cluster._kmeans._kmeans_single_elkan",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
    }
)
CALLED = frozenset(
    {
        "_codecs.encode",
        "collections.Counter",
        "collections.OrderedDict",
        "collections.defaultdict",
        "collections.deque",
        "copyreg._reconstructor",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "functools.partial",
        "numpy.dtype",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.ma.core._mareconstruct",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__randomstate_ctor",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        "pandas.StringDtype",
        "pandas.core.indexes.base._new_Index",
        "pandas.core.indexes.datetimes._new_DatetimeIndex",
        "pandas.core.indexes.period._new_PeriodIndex",
        "pandas.core.internals.managers.BlockManager",
        "pandas.core.internals.managers.SingleBlockManager",
        "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
        "pandas._libs.internals.__pyx_unpickle_BlockPlacement",
        "pandas._libs.internals._unpickle_block",
        "pandas._libs.tslibs.timedeltas._timedelta_unpickle",
        "pandas._libs.tslibs.timestamps._unpickle_timestamp",
        "pyarrow.lib._restore_array",
        "pyarrow.lib.py_buffer",
        "pyarrow.lib.type_for_alias",
        "sklearn.utils._random.__pyx_unpickle_Enum",
    }
)
# Python classes outside the estimators whose __new__ and __setstate__ were read and
# do nothing but copy the state.
_KINDS = (
    "sklearn.base.BaseEstimator",
    "sklearn.gaussian_process.kernels.Hyperparameter",
    "sklearn.gaussian_process.kernels.Kernel",
    "sklearn.cluster._birch._CFNode",
    "sklearn.cluster._birch._CFSubcluster",
    "sklearn.cluster._bisect_k_means._BisectingTree",
    "sklearn.metrics._scorer._BaseScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._MultimetricScorer",
    "sklearn.model_selection._split._CVIterableWrapper",
    "sklearn.model_selection._split.GroupsConsumerMixin",
    "sklearn.model_selection._split._RepeatedSplits",
    "sklearn.model_selection._split.BaseCrossValidator",
    "sklearn.model_selection._split.BaseShuffleSplit",
    "sklearn._loss.link.BaseLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.BaseLoss",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.BaseOptimizer",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
    "sklearn.utils._metadata_requests.MetadataRouter",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.interpolate._interpolate.interp1d",
    "scipy.interpolate._interpolate._PPolyBase",
    "scipy.interpolate._cubic.CubicSpline",
    "scipy.sparse._base._spbase",
    "scipy.spatial._ckdtree.cKDTree",
    "scipy.stats._distn_infrastructure.rv_frozen",
    "scipy.stats._distn_infrastructure.rv_generic",
    "pandas.DataFrame",
    "pandas.Series",
    "pandas.Index",
    "pandas.Categorical",
    "pandas.CategoricalDtype",
    "pandas.StringDtype",
    "pandas.arrays.ArrowStringArray",
    "pandas.core.internals.managers.SingleBlockManager",
    "pandas._libs.arrays.NDArrayBacked",
    "pandas._libs.tslibs.offsets.BaseOffset",
    "xgboost.core.Booster",
    "lightgbm.basic.Booster",
)
_STATE_READERS = frozenset(
    {
        # Classes whose own __setstate__ only copies or parses data.
        "scipy.stats._distn_infrastructure.rv_generic",  # its template is compared
        "pandas.core.generic.NDFrame",
        "pandas.core.internals.managers.SingleBlockManager",
        "pandas.Categorical",
        "pandas.CategoricalDtype",
        "pandas.StringDtype",
        "pandas.arrays.ArrowExtensionArray",
        "xgboost.core.Booster",
        "lightgbm.basic.Booster",
    }
)
_LIBRARIES = frozenset(
    ["lightgbm", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "xgboost"]
)
_SHUT = frozenset(
    [
        "conftest",
        "ctypeslib",
        "datasets",
        "distutils",
        "externals",
        "f2py",
        "setup",
        "test",
        "testing",
        "tests",
    ]
)
# Functions an estimator keeps as a parameter and calls with arrays only.
_STORED_FUNCTIONS = (
    "sklearn.feature_selection",
    "sklearn.metrics",
    "sklearn.metrics.pairwise",
    "sklearn.gaussian_process.kernels",
)
_ALIASES = {
    "numpy.core": "numpy._core",
    "_loss": "sklearn._loss._loss",  # as releases up to 1.8 name it in pickles
}
# Names of older releases that are gone; what loads a file has its own in their place.
RETIRED = frozenset(
    {
        "sklearn.compose._column_transformer._RemainderColsList",  # 1.5 to 1.8
    }
)
RETIRED_CALLS = frozenset(  # up to 1.5
    f"sklearn._loss._loss.__pyx_unpickle_Cy{loss}"
    for loss in [
        "AbsoluteError",
        "ExponentialLoss",
        "HalfBinomialLoss",
        "HalfGammaLoss",
        "HalfPoissonLoss",
        "HalfSquaredError",
        "HalfTweedieLoss",
        "HalfTweedieLossIdentity",
        "HuberLoss",
        "PinballLoss",
    ]
)
_HEAP_TYPE = 1 << 9


def canonical(module: str, name: str) -> tuple[str, str]:
    """The name under its present module, where a library has moved it."""
    for old, new in _ALIASES.items():
        if module == old or module.startswith(old + "."):
            return new + module.removeprefix(old), name
    return module, name


@lru_cache(maxsize=8192)
def use_of(module: str, name: str) -> Use:
    """Say how a pickle may use a name.

    Never raises: a module that is missing or fails to import gives no use.
    """
    dotted = f"{module}.{name}"
    if dotted in _VALUE_TYPES:
        return Use.CALL | Use.STORE
    use = Use.NONE
    if dotted in CALLED or dotted in RETIRED_CALLS:
        use |= Use.CALL
    if dotted in _STORED:
        use |= Use.STORE
    if dotted == "uuid.UUID" or dotted in RETIRED:
        use |= Use.NEW
    return use | _derived(module, name)


def is_library(module: str) -> bool:
    """True for modules of the libraries the rule knows."""
    return module.split(".")[0] in _LIBRARIES


def find(module: str, name: str) -> Any:
    """Import a library object that was defined under exactly this name, or None."""
    parts = module.split(".")
    if parts[0] not in _LIBRARIES or "." in name:
        return None
    if any(part in _SHUT or part.startswith("__") for part in parts):
        return None
    try:
        holder = importlib.import_module(module)
    except Exception:
        return None
    return vars(holder).get(name)


def _derived(module: str, name: str) -> Use:
    found = find(module, name)
    if found is None:
        return Use.NONE
    home = getattr(found, "__module__", None)
    if isinstance(found, type):
        use = _use_of_class(found)
        if home == module and found.__qualname__ == name:
            return use
        # The same class under another name of its library: old releases and
        # pandas' public names. What may be called is known by one name only.
        is_same = str(home).split(".")[0] == module.split(".")[0]
        return use & Use.NEW if is_same and found.__name__ == name else Use.NONE
    if _is_ufunc(found):
        return Use.STORE
    if home != module:
        return Use.NONE
    if _is_compiled(sys.modules[module]):
        return _use_of_compiled_function(module, name)
    if isinstance(found, FunctionType | BuiltinFunctionType) or callable(found):
        return Use.STORE if _is_stored_function(found) else Use.NONE
    return Use.NONE


def _use_of_class(found: type) -> Use:
    import numpy as np

    if issubclass(found, np.generic):
        return Use.STORE
    if issubclass(found, np.random.BitGenerator):
        return Use.STORE | Use.CALL
    if _is_compiled(sys.modules[found.__module__]):
        is_safe = found.__module__.startswith("sklearn.")
        return Use.CALL | Use.NEW if is_safe or _is_kind(found) else Use.NONE
    if _is_kind(found) and _has_plain_state(found):
        return Use.NEW
    return Use.NONE


def _use_of_compiled_function(module: str, name: str) -> Use:
    """Cython's own rebuilders: they make an empty object of a given class."""
    if module.startswith("sklearn.") and (
        name == "newObj" or name.startswith("__pyx_unpickle_")
    ):
        return Use.CALL
    return Use.NONE


@lru_cache(maxsize=1)
def _kinds() -> tuple[type, ...]:
    found = []
    for dotted in _KINDS:
        module, _, name = dotted.rpartition(".")
        kind = find(module, name)
        if isinstance(kind, type):
            found.append(kind)
    return tuple(found)


def _is_kind(found: type) -> bool:
    return issubclass(found, _kinds())


def _has_plain_state(found: type) -> bool:
    """True when no Python code of unknown effect runs on `__new__` or BUILD."""
    for klass in found.__mro__:
        defined = vars(klass)
        where = f"{klass.__module__}.{klass.__qualname__}"
        is_own = klass.__module__.startswith("sklearn.") or where in _STATE_READERS
        if "__setstate__" in defined and not (
            is_own or _is_compiled(sys.modules.get(klass.__module__))
        ):
            return False
        if "__del__" in defined and where not in _STATE_READERS:
            return False
    return True


def _is_stored_function(found: Any) -> bool:
    name = getattr(found, "__name__", "")
    return any(
        getattr(sys.modules.get(public) or _load(public), name, None) is found
        for public in _STORED_FUNCTIONS
        if inspect.isfunction(found)
    )


def _load(module: str) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _is_ufunc(found: Any) -> bool:
    import numpy as np

    return isinstance(found, np.ufunc)


def _is_compiled(module: ModuleType | None) -> bool:
    return str(getattr(module, "__file__", "")).endswith((".so", ".pyd"))
