"""Why an extension is refused, before anything is served."""

from foretell.errors import Conflict, Invalid


class ExtensionInvalid(Invalid):
    """An extension, or what it registers, cannot be used."""

    slug = "extension-invalid"
    title = "Invalid extension"


class PathTaken(Conflict):
    """Two parts of one application want to answer at the same address."""

    slug = "path-taken"

    def __init__(self, path: str, claimant: str, holder: str, held: str) -> None:
        where = f"{path!r}" if path == held else f"{path!r} ({held!r} there)"
        super().__init__(
            f"{claimant} wants to serve {where}, which {holder} serves. "
            "Give it another path or prefix=.",
            path=path,
        )
