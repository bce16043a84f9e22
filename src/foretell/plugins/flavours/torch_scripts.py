"""Calls a TorchScript module, which does not say how many columns it takes."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foretell.models.errors import ModelUnreadable, ModelUnusable
from foretell.models.ports import Batch
from foretell.plugins.engines.nets import Array, Run, TensorInput
from foretell.plugins.flavours.nets import Net
from foretell.plugins.flavours.torch_programs import arrays

_OLD = (
    "TorchScript is deprecated by PyTorch and will go; export the net by "
    "torch.export.save(torch.export.export(net.eval(), (example,)), 'model.pt2')."
)


def script_net(
    torch: Any, path: Path, names: Sequence[str] | None, examples: Batch | None
) -> Net:
    """Load the clean copy of a TorchScript file.

    Args:
        names: The columns, where they are known.
        examples: Sample rows; they tell how many columns there are.

    Raises:
        ModelUnreadable: PyTorch cannot read it.
        ModelUnusable: Nothing tells how many columns it takes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is told in words of our own
            module = torch.jit.load(str(path), map_location="cpu").eval()
    except MemoryError:
        raise
    except Exception as error:  # PyTorch's own errors have no common base
        first = str(error).strip().split("\n")[0][:300]
        raise ModelUnreadable(f"PyTorch cannot load the file: {first}") from error
    name = _only_input(module)
    run = _runner(torch, module)
    for dtype in _dtypes(module):
        for width in _widths(module, names, examples):
            tensor = TensorInput(name, (width,), dtype)
            if _takes(run, tensor):
                return Net(run, [tensor], warnings=[_OLD])
    raise ModelUnusable(
        "The TorchScript module does not say how many columns it takes, and does not "
        "answer rows of the columns that are known. Name its columns in the signature "
        "of the metadata, send an example of the rows, or export it by torch.export."
    )


def _only_input(module: Any) -> str:
    needed = [
        one
        for one in module.forward.schema.arguments[1:]
        if not one.has_default_value()
    ]
    if len(needed) != 1 or str(needed[0].type) != "Tensor":
        raise ModelUnusable(
            "The TorchScript module takes something else than one tensor of rows; "
            "export the net by torch.export, which names its inputs."
        )
    return str(needed[0].name)


def _dtypes(module: Any) -> list[str]:
    """Types to try: that of the weights first, whole numbers for embeddings."""
    first = next((one.dtype for one in module.parameters()), None)
    floating = "float64" if str(first) == "torch.float64" else "float32"
    return [floating, "int64"]


def _widths(
    module: Any, names: Sequence[str] | None, examples: Batch | None
) -> Iterator[int]:
    if names is not None:
        yield len(names)
        return
    if examples is not None:
        yield from (count for count in (len(examples), len(examples) - 1) if count > 0)
    for one in module.parameters():
        if one.ndim == 2:
            yield int(one.shape[1])
            return


def _takes(run: Run, tensor: TensorInput) -> bool:
    plain = np.ones((2, *tensor.shape), dtype=tensor.dtype)
    try:
        outputs = run([plain])
    except MemoryError:
        raise
    except Exception:  # whatever it says, it does not take such rows
        return False
    return bool(outputs) and all(one.ndim and len(one) == 2 for one in outputs)


def _runner(torch: Any, module: Any) -> Run:
    def run(tensors: list[Array]) -> list[Array]:
        given = [torch.from_numpy(one) for one in tensors]
        # The optimizer compiles after the first calls, which then answer later.
        with torch.inference_mode(), torch.jit.optimized_execution(False):
            return arrays(torch, module(*given))

    return run
