"""Tells a name that is merely unknown from one that no honest model needs.

An unknown name may be trusted by an administrator; a hostile one may not. This list
admits nothing, so a gap in it costs a wrong word in a report, never an execution.
"""

import sys

_OWN_CODE = frozenset(
    {
        "cloudpickle",
        "dill",
        "joblib.externals",
        "types",
    }
)
_LOADERS = [
    "fromfile",
    "fromregex",
    "genfromtxt",
    "load",
    "loads",
    "loadtxt",
    "memmap",
    "open_memmap",
    "read_clipboard",
    "read_pickle",
    "runstring",
    "save",
    "savetxt",
    "savez",
    "to_pickle",
    "DMatrix",
    "Memory",
]
# Standard-library things that an honest notebook may leave in a model.
_HARMLESS_STDLIB = frozenset(
    {"enum", "dataclasses", "pathlib", "zoneinfo", "__main__", "functools", "re"}
)


def is_own_code(module: str) -> bool:
    """True for the tools that put code itself into a pickle."""
    return any(module == name or module.startswith(name + ".") for name in _OWN_CODE)


def is_hostile(module: str, name: str) -> bool:
    """True when nothing but running something can be meant."""
    root = module.split(".")[0]
    if is_own_code(module) or name in _LOADERS:
        return True
    if root in _HARMLESS_STDLIB:
        return name in ("reduce", "_run_code")
    return root in sys.stdlib_module_names or root in (
        "pip",
        "setuptools",
        "__builtin__",
    )
