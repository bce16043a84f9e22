"""Reads the `config.json` of a `.keras` file: which classes it would make.

Keras finds classes by module and name and calls them with what the file says, so a
file may name only layers that compute, and what they are made of. Lambda layers hold
code; layers that read files, call other frameworks or unpickle are not on the list.
"""

import json
import re
from typing import Any

from foretell.models.gate.keras_names import (
    ACTIVATIONS,
    CODE,
    KNOWN,
    MODELS,
    OTHER_FRAMEWORKS,
    TABLES,
    VALUES,
)
from foretell.models.gate.verdict import Outcome, Reason, Verdict

FORMAT = "keras"
MAX_CONFIG_BYTES = 32 << 20
_MAX_DEPTH = 100
_WHAT_TO_DO = (
    "Build the same net from Keras' own layers, copy the weights and save it again, "
    "or export it to ONNX."
)


class _Judge:
    def __init__(self) -> None:
        self.hostile: list[Reason] = []
        self.unknown: list[Reason] = []
        self.names: set[str] = set()

    def object_to(
        self, code: str, message: str, name: str, *, hostile: bool = False
    ) -> None:
        reasons = self.hostile if hostile else self.unknown
        if all(reason.name != name or reason.code != code for reason in reasons):
            reasons.append(Reason(code, message, name))

    def clean(self, value: Any, depth: int = 0) -> Any:
        """A copy of a value without what only training needs."""
        if depth > _MAX_DEPTH:
            raise RecursionError
        if isinstance(value, list):
            return [self.clean(one, depth + 1) for one in value]
        if not isinstance(value, dict):
            return value
        if "class_name" in value:
            self._judge(value)
        return {
            key: self.clean(one, depth + 1)
            for key, one in value.items()
            if not (key == "compile_config" and "class_name" in value)
        }

    def _judge(self, value: dict[str, Any]) -> None:
        name = value.get("class_name")
        if not isinstance(name, str):
            self.object_to("class", "A class has no name.", "class_name", hostile=True)
            return
        self.names.add(f"{value.get('module', '?')}.{name}"[:200])
        if name in CODE:
            self._object_to_code(name)
        elif name in VALUES:
            return
        elif name == "function":
            self._judge_function(value)
        else:
            self._judge_class(name, value)

    def _object_to_code(self, name: str) -> None:
        message = (
            f"The file holds a {name.strip('_')} layer, which is code stored in the "
            f"file. It was not executed. {_WHAT_TO_DO}"
        )
        self.object_to("code", message, name, hostile=True)

    def _judge_function(self, value: dict[str, Any]) -> None:
        name, module = value.get("config"), value.get("module")
        is_own = name in ACTIVATIONS and value.get("registered_name") in (
            None,
            "function",
            name,
        )
        if is_own and module in ("builtins", "keras.activations"):
            return
        if module in ("builtins", None) or str(module).split(".")[0] == "keras":
            message = f"The function {str(name)[:80]!r} is no activation of Keras."
        else:
            message = f"The function {str(module)[:80]}.{str(name)[:80]} is not Keras'."
        self.object_to("function", f"{message} {_WHAT_TO_DO}", str(name)[:80])

    def _judge_class(self, name: str, value: dict[str, Any]) -> None:
        module = value.get("module")
        dotted = f"{module}.{name}"[:160]
        if "module" not in value:
            message = (
                f"{name[:80]!r} is written the way Keras 2 wrote it. Load the model "
                "with a Keras of version 3 and save it again."
            )
            self.object_to("old_format", message, name[:80])
        elif not isinstance(value.get("config"), dict):
            self.object_to("class", f"{dotted} has no config.", dotted, hostile=True)
        elif value.get("registered_name") not in (None, name):
            self._object_to_custom(str(value["registered_name"])[:160])
        elif name not in KNOWN.get(str(module), ()):
            self._object_to_class(name, dotted)

    def _object_to_class(self, name: str, dotted: str) -> None:
        root = dotted.split(".")[0]
        if not re.match(r"(?:keras|None)\Z", root):
            self._object_to_custom(dotted)
        elif name in TABLES:
            message = (
                f"{dotted} looks words up in tables and needs TensorFlow. Do that step "
                "in a feature set, and let the net begin with numbers."
            )
            self.object_to("table_layer", message, dotted)
        elif name in OTHER_FRAMEWORKS:
            message = f"{dotted} runs code of another framework. {_WHAT_TO_DO}"
            self.object_to("framework_layer", message, dotted)
        else:
            message = f"{dotted} is not a layer that is known here. {_WHAT_TO_DO}"
            self.object_to("unknown_class", message, dotted)

    def _object_to_custom(self, name: str) -> None:
        message = (
            f"{name} is a class of its own, whose code the file does not hold. "
            f"{_WHAT_TO_DO}"
        )
        self.object_to("custom_object", message, name)


def read_config(data: bytes, size: int) -> tuple[Verdict, dict[str, Any]]:
    """Judge a config; never imports or makes anything.

    Args:
        size: Bytes of the whole file, for the verdict.

    Returns:
        The verdict, and the config without what only training needs.
    """
    judge = _Judge()
    cleaned: Any = {}
    try:
        cleaned = judge.clean(json.loads(data))
    except (ValueError, RecursionError):
        message = "config.json is not the description of a model."
        judge.object_to("config", message, "config.json", hostile=True)
    kind = cleaned.get("class_name") if isinstance(cleaned, dict) else None
    if not isinstance(kind, str) or kind not in MODELS:
        if not judge.hostile and not judge.unknown:
            judge.object_to(
                "custom_object",
                f"The file holds a {str(kind)[:80]}, not a Sequential or Functional "
                f"model. {_WHAT_TO_DO}",
                str(kind)[:80],
            )
        cleaned = {}
    outcome: Outcome = "safe"
    if judge.hostile:
        outcome = "hostile"
    elif judge.unknown:
        outcome = "unknown"
    reasons = judge.hostile + judge.unknown
    return (
        Verdict(
            outcome, FORMAT, globals=sorted(judge.names), reasons=reasons, bytes=size
        ),
        cleaned,
    )
