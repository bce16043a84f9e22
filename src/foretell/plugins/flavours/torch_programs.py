"""Calls a program of `torch.export`: what it takes is read from the checked JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foretell.models.errors import ModelUnreadable, ModelUnusable
from foretell.models.gate.exported_weights import whole
from foretell.models.gate.sizes import symbol_of
from foretell.plugins.engines.chain_graphs import Layer
from foretell.plugins.engines.nets import Array, RowLimits, Run, TensorInput
from foretell.plugins.flavours.nets import Net, checked_tensor
from foretell.plugins.flavours.torch_chains import layers_of

# PyTorch's schema numbers its types.
_DTYPES = {2: "int8", 4: "int32", 5: "int64", 7: "float32", 8: "float64", 12: "bool"}
_MUTATIONS = frozenset(
    ["buffer_mutation", "parameter_mutation", "user_input_mutation", "loss_output"]
)


@dataclass(frozen=True, slots=True)
class Called:
    """How a program is called: its tensors, by place or by name."""

    tensors: Sequence[TensorInput]
    keywords: Sequence[str]
    limits: RowLimits
    warnings: Sequence[str]


def check_program(program: Mapping[str, Any]) -> Called:
    """Say how a program is called.

    Raises:
        ModelUnusable: It takes something else than rows of columns, or changes itself.
        ModelUnreadable: The JSON is not whole.
    """
    try:
        return _called(program)
    except (LookupError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise ModelUnreadable(
            "The exported program is not whole, or of a version that is not known."
        ) from error


def _called(program: Mapping[str, Any]) -> Called:
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    for one in signature["output_specs"]:
        if _MUTATIONS & set(one):
            raise ModelUnusable(
                "The program changes its own weights when it is called: it was "
                "exported in training mode. Call net.eval() before you export it."
            )
    tensors, rows = [], []
    for name in _user_inputs(signature["input_specs"]):
        meta = graph["tensor_values"][name]
        dtype = _DTYPES.get(meta["dtype"])
        if dtype is None or not meta["sizes"]:
            raise ModelUnusable(
                f"The input {name!r} is no tensor of rows with plain numbers; export "
                "the net with tensors of float32, float64, int64 or bool."
            )
        first, *others = meta["sizes"]
        tensors.append(checked_tensor(name, [whole(one) for one in others], dtype))
        rows.append(first)
    keywords = _keywords(module["module_call_graph"], len(tensors))
    limits = _limits(rows, program.get("range_constraints", {}))
    return Called(tensors, keywords, limits, list(_about(limits)))


def _user_inputs(specs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for spec in specs:
        if "constant_input" in spec:
            raise ModelUnusable(
                "The program takes arguments that are no tensors; export the net with "
                "tensors only."
            )
        if "user_input" in spec:
            argument = spec["user_input"]["arg"]
            if "as_tensor" not in argument:
                raise ModelUnusable(
                    "The program takes arguments that are no tensors; export the net "
                    "with tensors only."
                )
            yield argument["as_tensor"]["name"]


def _keywords(calls: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """Names of the arguments that are given by name: the last ones."""
    whole_call = next(one for one in calls if one["fqn"] == "")
    _, spec = json.loads(whole_call["signature"]["in_spec"])
    places, names = spec["children_spec"]
    leaves = [*places["children_spec"], *names["children_spec"]]
    is_flat = all(leaf["type"] is None for leaf in leaves) and len(leaves) == count
    if not is_flat:
        raise ModelUnusable(
            "The program takes lists or dictionaries of tensors; export the net with "
            "one argument for each tensor."
        )
    return json.loads(names["context"]) if names["children_spec"] else []


def _limits(rows: Sequence[Mapping[str, Any]], ranges: Mapping[str, Any]) -> RowLimits:
    least: int = 1
    most: int | None = None
    for one in rows:
        fixed = whole(one)
        if fixed is not None:
            if fixed == 0:
                raise ModelUnusable("The program was exported for no rows at all.")
            low: int = fixed
            high: int | None = fixed
        else:
            symbol = symbol_of(one["as_expr"]["expr_str"])
            limits = ranges.get(symbol, {}) if symbol else {}
            low = max(1, limits.get("min_val") or 1)
            high = limits.get("max_val")
        least = max(least, low)
        if high is not None and high < 1 << 31:
            most = high if most is None else min(most, high)
    if most is not None and most < least:
        raise ModelUnusable("The program's inputs want different numbers of rows.")
    return RowLimits(least, most)


def _about(limits: RowLimits) -> Iterator[str]:
    if limits.most is not None and limits.most == limits.least:
        yield (
            f"The program was exported for exactly {limits.least} row(s) a call, so "
            "batches are cut into such calls. Export it with dynamic_shapes="
            "({0: torch.export.Dim('rows')},) to answer many rows at once."
        )


def program_net(torch: Any, path: Path, program: Mapping[str, Any]) -> Net:
    """Load the clean copy of a program.

    Raises:
        ModelUnreadable: PyTorch cannot read it.
    """
    called = check_program(program)
    try:
        loaded = torch.export.load(str(path))
        module = loaded.module(check_guards=False)
    except MemoryError:
        raise
    except Exception as error:  # a program of another version may fail anywhere
        saved = program.get("torch_version", "an unknown version")
        raise ModelUnreadable(
            f"PyTorch {torch.__version__} cannot load the program, which was exported "
            f"by {saved}: {type(error).__name__}: {_first_line(error)}"
        ) from error

    def layers() -> list[Layer]:
        held = {name: _array(torch, one) for name, one in loaded.state_dict.items()}
        return layers_of(program, held)

    notes = [*called.warnings, *_about_version(torch, program)]
    run = _runner(torch, module, called.keywords)
    return Net(run, called.tensors, called.limits, notes, layers)


def _about_version(torch: Any, program: Mapping[str, Any]) -> Iterator[str]:
    saved = str(program.get("torch_version", "")).split("+")[0]
    installed = str(torch.__version__).split("+")[0]
    if saved.split(".")[:2] != installed.split(".")[:2]:
        yield (
            f"Exported by PyTorch {saved}, loaded with {installed}: answers may differ "
            "from those it was tested with. Export it again to be sure."
        )


def _runner(torch: Any, module: Any, keywords: Sequence[str]) -> Run:
    def run(tensors: list[Array]) -> list[Array]:
        given = [torch.from_numpy(one) for one in tensors]
        split = len(given) - len(keywords)
        named = dict(zip(keywords, given[split:], strict=True))
        with torch.inference_mode():
            return arrays(torch, module(*given[:split], **named))

    return run


def arrays(torch: Any, found: Any) -> list[Array]:
    """All tensors of a result as numpy arrays, however they are nested."""
    leaves = torch.utils._pytree.tree_leaves(found)
    tensors = [one for one in leaves if isinstance(one, torch.Tensor)]
    return [_array(torch, one) for one in tensors]


def _array(torch: Any, tensor: Any) -> Array:
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.float()  # numpy has no bfloat16
    return np.asarray(tensor.detach().cpu().numpy())


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).split("\n") if line.strip()]
    return (lines[-1] if lines else "")[:300]
