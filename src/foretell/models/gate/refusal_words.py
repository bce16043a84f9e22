"""Why a name in a model file is refused, and the way out, in words."""

import importlib.util

from foretell.models.gate.allow import is_library
from foretell.models.gate.danger import is_own_code
from foretell.models.gate.values import Name


def explain(name: Name, *, hostile: bool) -> str:
    """Why a name is not let through, and the ways out."""
    if is_own_code(name.module):
        return (
            f"{name} builds code that is stored in the file itself. Put the class into "
            "a package, or export the model to ONNX."
        )
    if hostile:
        return f"The file asks for {name}, which no model needs."
    if name.module == "__main__":
        return (
            f"{name} was defined in a notebook or script, so the server has no such "
            "class. Put it into a package that is installed here and list the package "
            "in PICKLE_ALLOW, make it an extension, or export the model to ONNX."
        )
    root = name.module.split(".")[0]
    if root == "torch":
        return (
            f"{name} is part of a pickled PyTorch net, whose code is not in the file. "
            "Export it with torch.export.save and upload that, or export it to ONNX."
        )
    if is_library(name.module) and importlib.util.find_spec(root) is None:
        return (
            f"{name} needs {root}, which this server does not have. Install it: "
            f"pip install 'foretell[{root}]'."
        )
    if is_library(name.module):
        return (
            f"{name} is not something a model may hold in the version of "
            f"{root} that is installed here. Save the model "
            "again with that version, or export it to ONNX."
        )
    return (
        f"{name} is not known. If you trust the package, list it: "
        f"PICKLE_ALLOW={root}. Or make it an extension, or export the model to ONNX."
    )
