"""Opens predictors from files: in the API process and in the model host."""

from functools import cache
from pathlib import Path

from foretell.models import registry
from foretell.models.ports import Engine, EngineSpec, Predictor, Terms
from foretell.models.signature import Signature


def open_predictor(spec: EngineSpec, signature: Signature, data: bytes) -> Predictor:
    """Open a twin. The caller has checked the bytes against their SHA-256.

    Takes milliseconds to seconds and imports the engine's library, so it runs in a
    thread. Not for `native`, which needs `open_native` in the model host.
    """
    return _engine(spec.engine).open(spec, signature, data)


def open_native(
    path: Path, signature: Signature, spec: EngineSpec, *, flavour: str, terms: Terms
) -> Predictor:
    """Load the original model, after the gate has read it once more.

    Runs only in the sandboxed model host.

    Raises:
        ModelRefused: The gate does not let the file through (any more).
    """
    return registry.flavour(flavour).open(path, signature, spec, terms)


@cache
def _engine(name: str) -> Engine:
    return registry.engine(name)
