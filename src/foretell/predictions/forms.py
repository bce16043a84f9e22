"""How a body is written and how its answer is to be, beside what they hold."""

from typing import Literal

import msgspec

from foretell.models.signature import Signature

ARROW, NPY = b"application/vnd.apache.arrow.stream", b"application/x-npy"

Kind = Literal["json", "arrow", "npy"]


class Form(msgspec.Struct, frozen=True):
    """The form of one call.

    Attributes:
        kind: What the body is: JSON, an Arrow IPC stream or a `.npy` array.
        output: The output that goes back as a `.npy` array; `None`: all go, as JSON.
        is_any: A JSON body may name the model, and one row is answered at the top
            level too.
    """

    kind: Kind = "json"
    output: str | None = None
    is_any: bool = False


PLAIN = Form()
ANY = Form(is_any=True)


def array_outputs(signature: Signature) -> list[str]:
    """The outputs that are one array for all rows."""
    prediction = signature.output("prediction")
    # Several predictions a row have scores of their own each, of several widths.
    is_many = prediction is not None and prediction.size is not None
    return [
        one.name for one in signature.outputs if one.name == "prediction" or not is_many
    ]
