"""How a check inside a file says that it must not be loaded."""

from foretell.models.gate.verdict import Reason


class Objection(Exception):
    """Something in a file speaks against it; `hostile` if no honest tool writes it."""

    def __init__(
        self, code: str, message: str, name: str | None = None, *, hostile: bool = True
    ) -> None:
        super().__init__(message)
        self.reason = Reason(code, message, name)
        self.hostile = hostile
