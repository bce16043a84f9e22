"""What the API process and the model host say to each other.

Apart from the host's own work, which loads data libraries.
"""

from typing import Any

import msgspec

from foretell.models.ports import EngineSpec
from foretell.models.signature import Signature
from foretell.predictions.forms import PLAIN, Form
from foretell.sandbox.messages import Refusal

READY = 0


class HostRequest(msgspec.Struct, frozen=True):
    """Which version to open, and how.

    Attributes:
        path, sha256: The artifact, or the twin when `is_native` is false.
        allow, trust: On which terms a pickle may be loaded.
        features: The feature set that the version is bound to; Arrow streams have raw
            records then.
        functions: Where those of extensions are, `module:name`, by name.
    """

    model: str
    version: int
    flavour: str
    path: str
    sha256: str
    is_native: bool
    spec: EngineSpec
    signature: Signature
    scratch: str
    allow: list[str] = []
    trust: bool = False
    features: dict[str, Any] | None = None
    functions: dict[str, str] = {}


class Call(msgspec.Struct, frozen=True):
    """One body to answer; `id` is above 0."""

    id: int
    body: bytes
    form: Form = PLAIN


class Reply(msgspec.Struct, frozen=True):
    """The answer to a call; with the id `READY`, whether the version is open."""

    id: int
    body: bytes = b""
    rows: int = 0
    refused: Refusal | None = None
