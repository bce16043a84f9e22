"""Opens predictors from files: in the API process and in the model host."""

from functools import cache
from pathlib import Path

from foretell.core.logs import get_logger
from foretell.errors import ForetellError
from foretell.models import registry
from foretell.models.errors import ModelUnreadable
from foretell.models.libraries import differences
from foretell.models.ports import Engine, EngineSpec, Predictor, Terms
from foretell.models.signature import Signature

log = get_logger("foretell.models")


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
        ModelUnreadable: It does not load, and libraries have changed since the
            upload; each is named.
    """
    changed = differences(spec.libraries)
    try:
        predictor = registry.flavour(flavour).open(path, signature, spec, terms)
    except MemoryError:
        raise
    except Exception as error:  # a library that changed may raise anything
        if not changed:
            raise
        said = error.detail if isinstance(error, ForetellError) else str(error)
        raise ModelUnreadable(f"{said} {changed}") from error
    if changed:
        log.warning("models.libraries_changed", flavour=flavour, changed=changed)
    return predictor


@cache
def _engine(name: str) -> Engine:
    return registry.engine(name)
