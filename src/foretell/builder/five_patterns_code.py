"""`--from five_patterns`: a CSV of people, mails, and Foretell's own users, tokens and
predictions. The same code as examples/five_patterns (a test compares)."""

from pathlib import PurePosixPath

from foretell.builder.rendering import Files, import_block, render

_PUBLIC = (
    "CurrentUser",
    "Datasets",
    "Extension",
    "JobRead",
    "Jobs",
    "TableFile",
    "Users",
    "answers_finished",
    "requires",
    "takes_file",
)
_IMPORTS = {
    *(f"foretell.{name}" for name in _PUBLIC),
    *(f"pydantic.{name}" for name in ("AliasPath", "BaseModel", "BeforeValidator")),
    "pydantic.Field",
    "typing.Annotated",
    "typing.Any",
    "uuid.uuid4",
}
_TESTED = {
    "collections.abc.Awaitable",
    "collections.abc.Callable",
    "foretell.testing.Outbox",
    "httpx2.AsyncClient",
}


def five_patterns_files(package: str) -> Files:
    """The extension, in the place of the example resource, and its tests."""
    return {
        PurePosixPath(package, "extension.py"): render(
            "five_patterns.py", package=package, imports=import_block(_IMPORTS)
        ),
        PurePosixPath("tests", "test_five_patterns.py"): render(
            "five_patterns_test.py", imports=import_block(_TESTED)
        ),
    }
