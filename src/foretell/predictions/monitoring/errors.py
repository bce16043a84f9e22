"""What can be wrong with a question about calls."""

from foretell.errors import FieldError, Invalid


class WindowInvalid(Invalid):
    """The days asked for are in the wrong order, or too many."""

    slug = "window-invalid"

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message, errors=[FieldError(pointer, message, "window")])
