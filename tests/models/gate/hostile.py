"""Builds pickles that would do something, each in another way.

The payload is always the same harmless thing: it makes a marker file. Loading one of
them with `pickle.load` is what the tests are about never doing.
"""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zlib
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]
import joblib
import numpy as np
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

PROTO = b"\x80\x04"


def text(value: str) -> bytes:
    data = value.encode()
    return (
        b"\x8c" + bytes([len(data)]) + data
        if len(data) < 256
        else (b"X" + struct.pack("<I", len(data)) + data)
    )


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def call(module: str, attribute: str, *args: bytes) -> bytes:
    return name(module, attribute) + b"(" + b"".join(args) + b"tR"


def touch(marker: Path) -> str:
    return f"touch {marker}"


def write(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()"


class Reduced:
    """Pickles as a call of anything."""

    def __init__(self, function, *args):
        self.parts = (function, args)

    def __reduce__(self):
        return self.parts


def fitted() -> LogisticRegression:
    return LogisticRegression().fit([[0.0], [1.0]], [0, 1])


def with_attribute(value) -> LogisticRegression:
    model = fitted()
    model.extra_ = value
    return model


def joblib_bytes(value, **options) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **options)
    return buffer.getvalue()


def system(marker: Path) -> Reduced:
    import os

    return Reduced(os.system, touch(marker))


def direct_calls(marker: Path) -> dict[str, bytes]:
    code, shell = text(write(marker)), text(touch(marker))
    calls = {
        "posix.system": call("posix", "system", shell),
        "os.system": call("os", "system", shell),
        "os.popen": call("os", "popen", shell),
        "os.execv": call("os", "execv", text("/bin/true"), b"]"),
        "subprocess.getoutput": call("subprocess", "getoutput", shell),
        "subprocess.Popen": call("subprocess", "Popen", shell),
        "builtins.eval": call("builtins", "eval", code),
        "builtins.exec": call("builtins", "exec", code),
        "builtins.open": call("builtins", "open", text(str(marker)), text("w")),
        "builtins.compile": call("builtins", "compile", code, text("x"), text("exec")),
        "builtins.__import__": call("builtins", "__import__", text("antigravity")),
        "builtins.getattr": call(
            "builtins", "getattr", name("builtins", "dict"), text("get")
        ),
        "builtins.map": call("builtins", "map", name("os", "system"), b"]"),
        "builtins.print": call("builtins", "print", shell),
        "importlib.import_module": call("importlib", "import_module", text("this")),
        "runpy.run_path": call("runpy", "run_path", text(str(marker))),
        "pty.spawn": call("pty", "spawn", shell),
        "timeit.timeit": call("timeit", "timeit", code),
        "code.interact": call("code", "interact"),
        "pdb.run": call("pdb", "run", code),
        "cProfile.run": call("cProfile", "run", code),
        "bdb.Bdb.run": call("bdb", "Bdb.run", code),
        "shutil.rmtree": call("shutil", "rmtree", text(str(marker))),
        "pathlib.Path.touch": call("pathlib", "Path.touch", text(str(marker))),
        "webbrowser.open": call("webbrowser", "open", text("http://127.0.0.1:9/")),
        "urllib.request.urlopen": call(
            "urllib.request", "urlopen", text("http://127.0.0.1:9/")
        ),
        "socket.create_connection": call("socket", "create_connection", b")"),
        "ctypes.CDLL": call("ctypes", "CDLL", text("libc.so.6")),
        "pickle.loads": call("pickle", "loads", text("x")),
        "marshal.loads": call("marshal", "loads", text("x")),
        "functools.partial": call("functools", "partial", name("os", "system"), shell),
        "functools.reduce": call("functools", "reduce", name("builtins", "eval"), b"]"),
        "operator.attrgetter": call("operator", "attrgetter", text("system")),
        "operator.methodcaller": call("operator", "methodcaller", text("run")),
        "operator.itemgetter": call("operator", "itemgetter", number(0)),
        "itertools.starmap": call("itertools", "starmap", name("os", "system"), b"]"),
        "logging.config": call("logging.config", "_resolve", text("os.system")),
        "pydoc.locate": call("pydoc", "locate", text("os.system")),
        "numpy.load": call("numpy", "load", text(str(marker))),
        "numpy.fromfile": call("numpy", "fromfile", text(str(marker))),
        "numpy.memmap": call(
            "numpy", "memmap", text(str(marker)), text("u1"), text("w+")
        ),
        "numpy.save": call("numpy", "save", text(str(marker)), b"]"),
        "numpy.zeros": call("numpy", "zeros", number(2**31 - 1)),
        "numpy.runstring": call(
            "numpy.testing._private.utils", "runstring", code, b"}"
        ),
        "numpy.f2py": call("numpy.f2py", "compile", code),
        "pandas.read_pickle": call("pandas", "read_pickle", text(str(marker))),
        "pandas.eval": call("pandas", "eval", code),
        "joblib.load": call("joblib", "load", text(str(marker))),
        "joblib.Memory": call("joblib.memory", "Memory", text(str(marker))),
        "sklearn.load_files": call("sklearn.datasets", "load_files", text("/")),
        "xgboost.Booster": call("xgboost.core", "Booster", b"NN", text(str(marker))),
        "lightgbm.Booster": call("lightgbm.basic", "Booster", b"N", text(str(marker))),
        "_loss.system": call("_loss", "system", shell),
        "a retired loss of another kind": call(
            "_loss", "__pyx_unpickle_CyHalfGammaLoss", name("os", "system"), b"NN"
        ),
        "a retired loss of an estimator": call(
            "sklearn._loss._loss",
            "__pyx_unpickle_CyHalfGammaLoss",
            name("sklearn.linear_model._logistic", "LogisticRegression"),
            b"NN",
        ),
        "retired columns with arguments": call(
            "sklearn.compose._column_transformer", "_RemainderColsList", shell
        ),
        "site.execsitecustomize": call("site", "execsitecustomize"),
        "a re-exported os": call(
            "sklearn.utils._estimator_html_repr", "os.system", shell
        ),
        "estimator with arguments": call(
            "sklearn.linear_model._logistic", "LogisticRegression", text("l2")
        ),
        "metric": call("sklearn.metrics._classification", "accuracy_score", b"]", b"]"),
        "ufunc": call("numpy", "log1p", number(1)),
    }
    return {kind: PROTO + data + b"." for kind, data in calls.items()}


def structures(marker: Path) -> dict[str, bytes]:
    shell = text(touch(marker))
    estimator = name("sklearn.linear_model._logistic", "LogisticRegression") + b")\x81"
    good = pickle.dumps(fitted(), 4)
    return {
        "INST": b"(S'" + touch(marker).encode() + b"'\nios\nsystem\n.",
        "INST with text": b"(V" + touch(marker).encode() + b"\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nV" + touch(marker).encode() + b"\no.",
        "protocol 0": b"cos\nsystem\n(V" + touch(marker).encode() + b"\ntR.",
        "protocol 2 rename": b"\x80\x02c__builtin__\neval\n(X\x01\x00\x00\x001tR.",
        "commands module": b"\x80\x02ccommands\ngetoutput\n(X\x01\x00\x00\x001tR.",
        "EXT1": PROTO + b"\x82\x01.",
        "PERSID": b"Pmarker\n.",
        "BINPERSID": PROTO + shell + b"Q.",
        "DUP": PROTO + b"]2\x86.",
        "NEXT_BUFFER": b"\x80\x05\x97.",
        "sparse memo": PROTO + b"]r\xff\xff\xff\xff.",
        "memo out of order": PROTO + b"]q\x05.",
        "memo read early": PROTO + b"h\x00.",
        "bytes after STOP": good + b"cos\nsystem\n.",
        "second pickle after STOP": good + pickle.dumps(system(marker)),
        "no STOP": good[:-1],
        "two objects": PROTO + b"]].",
        "an open mark": PROTO + b"](.",
        "PROTO twice": PROTO + b"\x80\x02N.",
        "protocol 9": b"\x80\x09N.",
        "frame in a frame": PROTO + _frame(11) + _frame(2) + b"N.",
        "frame past the end": PROTO + _frame(2**40) + b"N.",
        "frame ends inside an opcode": PROTO + _frame(3) + text("abc") + b".",
        "frame with a tail": PROTO + _frame(4) + b"N.NN",
        "length past the end": PROTO + b"\x8e" + struct.pack("<Q", 2**62) + b"x.",
        "text past the end": PROTO + b"X\xff\xff\xff\xffx.",
        "dunder state": PROTO + estimator + b"}" + text("__class__") + b"Nsb.",
        "state twice": PROTO + estimator + b"}b}b.",
        "state on a list": PROTO + b"]}b.",
        "state by slots": PROTO + estimator + b"N}" + text("coef_") + b"Ns\x86b.",
        "state on a class": PROTO
        + name("sklearn.linear_model._logistic", "LogisticRegression")
        + b"}b.",
        "items into an estimator": PROTO + estimator + text("a") + b"Ns.",
        "append to an estimator": PROTO + estimator + b"Na.",
        "add to a list": PROTO + b"](N\x90.",
        "a number called": PROTO + number(1) + b")R.",
        "an estimator called": PROTO + estimator + b")R.",
        "new of a function": PROTO + name("os", "system") + b"(" + shell + b"t\x81.",
        "new with keywords": PROTO
        + name("sklearn.linear_model._logistic", "LogisticRegression")
        + b")}"
        + text("C")
        + b"Ns\x92.",
        "sized bytearray": PROTO
        + call("builtins", "bytearray", number(2**31 - 1))
        + b".",
        "sized bytes": PROTO + call("builtins", "bytes", number(2**31 - 1)) + b".",
        "list of a range": PROTO
        + call("builtins", "list", call("builtins", "range", number(2**31 - 1)))
        + b".",
        "big decimal": PROTO + call("builtins", "int", text("9" * 200)) + b".",
        "another codec": PROTO
        + call("_codecs", "encode", text("x"), text("rot13"))
        + b".",
        "array with a size": PROTO
        + call(
            "numpy._core.multiarray",
            "_reconstruct",
            name("numpy", "ndarray"),
            number(2**30) + b"\x85",
            b"C\x01b",
        )
        + b".",
        "defaultdict of eval": PROTO
        + call("collections", "defaultdict", name("builtins", "eval"))
        + b".",
        "defaultdict of a ufunc": PROTO
        + call("collections", "defaultdict", name("numpy", "log1p"))
        + b".",
        "generator calls its argument": PROTO
        + call("numpy.random._pickle", "__generator_ctor", shell, name("os", "system"))
        + b".",
        "reconstructor on a list": PROTO
        + call(
            "copyreg",
            "_reconstructor",
            name("sklearn.utils._bunch", "Bunch"),
            name("builtins", "list"),
            b"]",
        )
        + b".",
        "tree with forged sizes": PROTO
        + call("sklearn.tree._tree", "Tree", number(3), b"]", number(2**30))
        + b".",
        "partial exchanged for another": PROTO
        + call("functools", "partial", name("sklearn.utils.validation", "check_array"))
        + b"("
        + name("os", "system")
        + b"("
        + shell
        + b"t}Ntb.",
        "partial of a metric": PROTO
        + call("functools", "partial", name("sklearn.metrics._regression", "r2_score"))
        + b".",
        "distribution with code": distribution(),
        "distribution by an old state": PROTO
        + name("scipy.stats._continuous_distns", "uniform_gen")
        + b")\x81}N\x86b.",
        "vectorizer that opens files": pickle.dumps(CountVectorizer(input="filename")),
        "recursion": PROTO + b"(" * 10_000 + b".",
    }


def _frame(length: int) -> bytes:
    return b"\x95" + struct.pack("<Q", length)


def distribution() -> bytes:
    """A scipy distribution whose parser template was exchanged for other code."""
    data = pickle.dumps(stats.uniform(0, 1), 2)
    start = data.index(b"def _parse_args(")
    return data[:start] + b"import antigravi" + data[start + 16 :]


def arrays(marker: Path) -> dict[str, bytes]:
    """Arrays whose description lies about their bytes."""
    honest = pickle.dumps(np.arange(4.0), 2)
    texts = pickle.dumps(np.array(["a", None], dtype=object), 2)
    return {
        "more items than bytes": honest.replace(b"K\x04\x85", b"K\x05\x85"),
        "objects declared as numbers": texts.replace(b"K?t", b"K\x00t"),
        "another item size": honest.replace(
            b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00O8"
        ),
        "negative shape": honest.replace(b"K\x04\x85", b"J\xfc\xff\xff\xff\x85"),
    }


def hidden(marker: Path) -> dict[str, bytes]:
    """Calls inside otherwise honest models and containers."""
    payload = system(marker)
    inner = np.array([payload, None], dtype=object)

    def secret(x: object) -> object:
        return x

    plain = pickle.dumps(with_attribute(payload), 4)
    samples = {
        "attribute of a model": plain,
        "object array": pickle.dumps(with_attribute(inner), 4),
        "joblib object array": joblib_bytes(with_attribute(inner)),
        "joblib, protocol 2": joblib_bytes(with_attribute(inner), protocol=2),
        "function transformer": pickle.dumps(FunctionTransformer(eval), 4),
        "code by value": cloudpickle.dumps(FunctionTransformer(secret)),
        "class by value": cloudpickle.dumps(type("Clip", (), {"predict": secret})()),
        "zlib": zlib.compress(plain),
        "gzip": gzip.compress(plain),
        "bz2": bz2.compress(plain),
        "xz": lzma.compress(plain),
        "lzma": lzma.compress(plain, lzma.FORMAT_ALONE),
        "zlib in zlib": zlib.compress(zlib.compress(plain)),
        "zlib with a tail": zlib.compress(pickle.dumps(fitted(), 4)) + plain,
        "two gzip members": gzip.compress(pickle.dumps(fitted(), 4))
        + gzip.compress(plain),
        "cut zlib": zlib.compress(plain)[:-8],
        "joblib array inside a frame": _framed_wrapper(marker),
        "dtype called as a name": pickle.dumps(with_attribute(np.dtype), 4),
    }
    for level in ("zlib", "gzip", "bz2", "lzma", "xz"):
        samples[f"joblib {level}"] = joblib_bytes(
            with_attribute(inner), compress=(level, 3)
        )
    return samples


def _framed_wrapper(marker: Path) -> bytes:
    """Raw array bytes that the frame says are opcodes, with a call among them."""
    honest = joblib_bytes(np.arange(64, dtype=np.uint8), protocol=4)
    start = honest.index(b"\x95")
    length = struct.unpack("<Q", honest[start + 1 : start + 9])[0]
    return honest[: start + 1] + struct.pack("<Q", length + 20) + honest[start + 9 :]


def corpus(marker: Path) -> dict[str, bytes]:
    """Every sample by name."""
    return {
        **direct_calls(marker),
        **structures(marker),
        **arrays(marker),
        **hidden(marker),
    }
