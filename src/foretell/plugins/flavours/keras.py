"""Keras models: `.keras` archives, on the torch backend so that TensorFlow is not needed.

Keras never sees the archive. The net is made from the checked description, and its
weights are read from a file that was looked through first, so that neither code nor
links to other files can come along.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable
from foretell.models.gate import archives
from foretell.models.gate.archives import Archive
from foretell.models.gate.containers import BadContainer
from foretell.models.gate.keras_config import FORMAT, MAX_CONFIG_BYTES, read_config
from foretell.models.gate.verdict import Reason, Verdict
from foretell.models.ports import Batch, EngineSpec, LoadedModel, Predictor, Terms
from foretell.models.signature import Signature
from foretell.plugins.engines.nets import Array, Run, TensorInput
from foretell.plugins.flavours.keras_chains import layers_of
from foretell.plugins.flavours.nets import Net, checked_tensor, describe, predictor
from foretell.plugins.flavours.torch_programs import arrays

_HDF5 = b"\x89HDF\r\n\x1a\n"
_CONFIG, _META, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MEMBERS = (_CONFIG, _META, _WEIGHTS)
_SAVED_MODEL = "saved_model.pb"
_MAX_META = 1 << 20
_MAX_OBJECTS = 200_000
_MAX_DEPTH = 80
_SAVE_AGAIN = (
    "Load it with the Keras that wrote it and save it again: "
    "keras.models.load_model('model.h5').save('model.keras')."
)


class KerasFlavour:
    """`.keras` files of Keras 3; the older forms are refused with what to do."""

    name = "keras"

    def recognises(self, head: bytes, filename: str) -> bool:
        if head.startswith(_HDF5):
            return True
        if not head.startswith(archives.MAGIC):
            return False
        if filename.lower().endswith(".keras"):
            return True
        names = archives.names_in_head(head)
        return any(name in _MEMBERS or _is_saved_model(name) for name in names)

    def load(
        self, path: Path, terms: Terms, examples: Batch | None = None
    ) -> LoadedModel:
        with _admitted(path, terms) as admitted:
            net = _net(admitted)
        return describe(
            net, terms, admitted.verdict, examples, needs=("keras", "torch")
        )

    def open(
        self, path: Path, signature: Signature, spec: EngineSpec, terms: Terms
    ) -> Predictor:
        with _admitted(path, terms) as admitted:
            net = _net(admitted)
        return predictor(net, signature, spec)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A description that may be built, and a file with the weights for it."""

    verdict: Verdict
    config: dict[str, Any]
    weights: Path
    saved_by: str


def _is_saved_model(name: str) -> bool:
    parts = name.strip("/").split("/")
    return parts[-1] in (_SAVED_MODEL, "fingerprint.pb", "keras_metadata.pb") or (
        "variables" in parts[:2] and len(parts) <= 3
    )


@contextmanager
def _admitted(path: Path, terms: Terms) -> Iterator[_Admitted]:
    """Judge the file; nothing of it is made.

    Raises:
        ModelRefused, ModelUnusable: It may not be loaded, or not here.
    """
    with path.open("rb") as file:
        if file.read(len(_HDF5)) == _HDF5:
            raise _refused(
                "hdf5",
                "The file is HDF5, Keras' old format (or weights alone), which can "
                f"hold code. {_SAVE_AGAIN}",
            )
    try:
        with (
            Archive(path) as archive,
            tempfile.TemporaryDirectory(dir=terms.scratch, prefix="net-") as folder,
        ):
            yield _read(archive, Path(folder), path.stat().st_size)
    except BadContainer as error:
        reason = Reason("container", str(error))
        raise ModelRefused(Verdict("hostile", FORMAT, reasons=[reason])) from error


def _read(archive: Archive, folder: Path, size: int) -> _Admitted:
    if any(name.rpartition("/")[2] == _SAVED_MODEL for name in archive.sizes):
        raise _saved_model()
    for name in archive.sizes:
        if name not in _MEMBERS and not name.startswith("assets/"):
            raise BadContainer(f"No .keras file has a member {name[:80]!r}.")
    verdict, config = read_config(archive.read(_CONFIG, MAX_CONFIG_BYTES), size)
    version = _version(archive)
    if version:
        verdict = msgspec.structs.replace(verdict, libraries={"keras": version})
    if not verdict.is_admitted:
        # An administrator's trust does not help: the class is not in the file.
        raise ModelRefused(verdict)
    if any(name.startswith("assets/") for name in archive.sizes):
        raise _refused(
            "assets", "The file holds tables of words, which are not loaded here."
        )
    weights = folder / _WEIGHTS
    with weights.open("wb") as target:
        if _WEIGHTS not in archive.sizes:
            raise BadContainer("The file holds no weights.")
        archive.copy(_WEIGHTS, target)
    return _Admitted(verdict, config, weights, version)


def _version(archive: Archive) -> str:
    try:
        found = json.loads(archive.read(_META, _MAX_META))
    except ValueError as error:
        raise BadContainer("metadata.json is missing or unreadable.") from error
    version = found.get("keras_version") if isinstance(found, dict) else None
    return str(version or "")[:40]


def _refused(code: str, message: str) -> ModelRefused:
    return ModelRefused(Verdict("unknown", FORMAT, reasons=[Reason(code, message)]))


def _saved_model() -> ModelUnusable:
    return ModelUnusable(
        "The file is a TensorFlow SavedModel, which is a program for TensorFlow alone. "
        "Save the model as model.save('model.keras'), which is served without "
        "TensorFlow, or convert it to ONNX (python -m tf2onnx.convert)."
    )


# -- the net -------------------------------------------------------------------------


def _net(admitted: _Admitted) -> Net:
    """Make the net and fill in its weights.

    Raises:
        ModelUnusable: Keras is missing, or the net has no fixed inputs.
        ModelUnreadable: Description and weights do not fit.
    """
    keras = _keras()
    _check_weights(admitted.weights)
    try:
        model = keras.saving.deserialize_keras_object(admitted.config, safe_mode=True)
        model.load_weights(str(admitted.weights))
    except MemoryError:
        raise
    except Exception as error:  # a layer may raise anything on its config
        first = str(error).strip().split("\n")[0][:300]
        raise ModelUnreadable(
            f"Keras {keras.__version__} cannot build the model, which was saved by "
            f"{admitted.saved_by or 'an unknown version'}: "
            f"{type(error).__name__}: {first}"
        ) from error
    return Net(
        _runner(keras, model),
        _tensors(model),
        warnings=list(_about_version(keras, admitted.saved_by)),
        layers=lambda: layers_of(keras, model),
    )


def _about_version(keras: Any, saved: str) -> Iterator[str]:
    if saved and saved.split(".")[:2] != str(keras.__version__).split(".")[:2]:
        yield (
            f"Saved by Keras {saved}, loaded with {keras.__version__}: answers may "
            "differ from those it was tested with. Save it again to be sure."
        )


def _tensors(model: Any) -> list[TensorInput]:
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise ModelUnusable(
            "The model does not say what it takes: begin it with keras.Input(...), or "
            "call it once on real rows before you save it."
        )
    return [_tensor(one) for one in inputs]


def _tensor(one: Any) -> TensorInput:
    try:
        is_plain = np.dtype(str(one.dtype)).kind in "biuf"
    except TypeError:
        is_plain = False
    if not is_plain or not one.shape:
        raise ModelUnusable(
            f"The input {one.name!r} takes {one.dtype}; rows of numbers are served. "
            "Do the step before it in a feature set."
        )
    return checked_tensor(str(one.name), list(one.shape[1:]), str(one.dtype))


def _runner(keras: Any, model: Any) -> Run:
    if keras.backend.backend() == "torch":
        return _torch_runner(keras, model)

    def run(tensors: list[Array]) -> list[Array]:
        found = model(tensors if len(tensors) > 1 else tensors[0], training=False)
        flat = keras.tree.flatten(found)
        return [np.asarray(keras.ops.convert_to_numpy(one)) for one in flat]

    return run


def _torch_runner(keras: Any, model: Any) -> Run:
    import torch

    def run(tensors: list[Array]) -> list[Array]:
        with torch.no_grad():
            found = model(tensors if len(tensors) > 1 else tensors[0], training=False)
            return arrays(torch, keras.tree.flatten(found))

    return run


def _check_weights(path: Path) -> None:
    """Demand a file of plain arrays: no links, no other files, nothing packed.

    Raises:
        ModelRefused: It holds something else.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check_group(h5py, file, path.stat().st_size)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ModelUnreadable("The weights are damaged or cut off.") from error


def _check_group(h5py: Any, file: Any, size: int) -> None:
    pending = [(file, 0)]
    seen, held = 0, 0
    while pending:
        group, depth = pending.pop()
        for name in group:
            seen += 1
            if seen > _MAX_OBJECTS or depth > _MAX_DEPTH:
                raise _hostile_weights("more objects than any net has")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _hostile_weights(f"a link to elsewhere, {name[:80]!r}")
            found = group[name]
            if isinstance(found, h5py.Group):
                pending.append((found, depth + 1))
                continue
            _check_array(h5py, found, name)
            held += found.nbytes
            if held > size:
                raise _hostile_weights("arrays larger than the file")


def _check_array(h5py: Any, found: Any, name: str) -> None:
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "biufcV":
        raise _hostile_weights(f"{name[:80]!r}, which is no array of numbers")
    if found.external or found.is_virtual:
        raise _hostile_weights(f"an array in another file, {name[:80]!r}")
    if found.id.get_create_plist().get_nfilters():
        raise _hostile_weights(f"a packed array, {name[:80]!r}")


def _hostile_weights(what: str) -> ModelRefused:
    reason = Reason("weights", f"The weights hold {what}.")
    return ModelRefused(Verdict("hostile", FORMAT, reasons=[reason]))


def _keras() -> Any:
    """Keras on the torch backend, with one thread for a call.

    Raises:
        ModelUnusable: It is not installed here.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        import keras

        if keras.backend.backend() == "torch":
            import torch

            torch.set_num_threads(1)
    except ImportError as error:
        raise ModelUnusable(
            "Keras or its torch backend is not installed on this server, so the model "
            "cannot be loaded: pip install 'foretell[keras]', or export it to ONNX."
        ) from error
    threadpool_limits(limits=1)
    return keras
