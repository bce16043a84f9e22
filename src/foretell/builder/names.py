"""Names of projects, resources and fields: which can be, and what is made of them.

Everything that would only fail later (a keyword, a module that Python has already, a
table or an address of Foretell's own) is refused here, with the reason.
"""

import keyword
import re
import sys
from dataclasses import dataclass

from foretell.builder.errors import NameRefused
from foretell.core.names import plural, snake_case

MAX_LENGTH = 60  # what is left of PostgreSQL's 63 letters for a plural
_WORD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Packages that a project of the same name would hide from everything it imports.
_TAKEN_PACKAGES = _words(
    """a2wsgi alembic celery django fastapi flask foretell httpx2 numpy onnx pandas
    polars pyarrow pydantic pytest redis sklearn sqlalchemy starlette tests typer
    uvicorn"""
)
# First words of the tasks that Foretell itself has.
_TAKEN_EXTENSIONS = _words(
    """connections datasets features jobs mail models predictions recipes resources
    schedules system"""
)
# Foretell's own tables and addresses; a test compares.
TAKEN_PLURALS = _words(
    """alembic_version api_keys attention audit audit_log auth_epoch automatic_runs
    browser_sessions connections dataset_versions datasets events ext failed_tries feature_set_versions feature_sets
    features     idempotency_keys job_attempts job_queues jobs keys me model_alias_moves model_aliases
    model_versions models models_epoch one_time_codes password predict predictions query queues
    recipe_versions recipes refresh_families refresh_tokens resources schedule_ticks schedules session sessions setup
    signing_keys source_files tasks users version"""
)
# Attributes that every resource has, or that SQLAlchemy and Pydantic need.
TAKEN_FIELDS = _words(
    """created_at dt id metadata owner_id registry updated_at version"""
)
# Types in annotations: a column of that name would hide them from the next one.
_TYPE_NAMES = _words("bool dict float int list object str")
_PYDANTIC = _words(
    """model_computed_fields model_config model_construct model_copy model_dump
    model_dump_json model_extra model_fields model_fields_set model_json_schema
    model_parametrized_name model_post_init model_rebuild model_validate
    model_validate_json model_validate_strings"""
)
# Parameters of every list.
_LIST_PARAMETERS = _words("cursor expand limit sort where")
# What a refused name may be called instead.
_SUFFIXES = {"project": "app", "field": "value", "resource": "item"}


@dataclass(frozen=True, slots=True)
class ProjectName:
    """A project's folder and distribution (`my-shop`) and its package (`my_shop`)."""

    text: str

    @property
    def package(self) -> str:
        return self.text.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ResourceName:
    """`order_line` with its class, its plural and how people say it."""

    singular: str

    @property
    def plural(self) -> str:
        return plural(self.singular)

    @property
    def class_name(self) -> str:
        return "".join(word.capitalize() for word in self.singular.split("_"))

    @property
    def words(self) -> str:
        return self.singular.replace("_", " ")

    @property
    def plural_words(self) -> str:
        return self.plural.replace("_", " ")

    @property
    def address(self) -> str:
        return f"/api/{self.plural}"


def project_name(text: str) -> ProjectName:
    """Raises `NameRefused` for what cannot be a folder, a package and an extension."""
    name = ProjectName(text)
    _demand_word("project", text, name.package)
    if name.package in _TAKEN_PACKAGES or name.package in sys.stdlib_module_names:
        raise _refused("project", text, f"Python has a module {name.package} already")
    if name.package in _TAKEN_EXTENSIONS:
        raise _refused("project", text, "Foretell calls a part of its own so")
    return name


def resource_name(text: str) -> ResourceName:
    """`OrderLine`, `order-line` or `order_line`; refused where Foretell has it."""
    name = ResourceName(identifier("resource", text))
    if name.plural in TAKEN_PLURALS:
        raise _refused(
            "resource",
            text,
            f"Foretell itself has {name.plural}",
            "my_" + name.singular,
        )
    return name


def identifier(what: str, text: str) -> str:
    """A name in snake case, for a module or a function.

    Raises:
        NameRefused: It is no such name, too long, or a word of Python.
    """
    word = snake_case(text.replace("-", "_"))
    _demand_word(what, text, word)
    return word


def field_name(text: str) -> str:
    """A column's name, as it is; raises `NameRefused`."""
    _demand_word("field", text, text)
    if text in TAKEN_FIELDS:
        raise _refused("field", text, "every resource has it, or SQLAlchemy needs it")
    if text in _TYPE_NAMES:
        raise _refused("field", text, "it is the name of a type", f"{text}_value")
    if text in _LIST_PARAMETERS:
        raise _refused("field", text, "lists take a parameter of that name")
    if text.startswith(("model_", "metadata_")) and text in _PYDANTIC:
        raise _refused("field", text, "Pydantic has a method of that name")
    return text


def _demand_word(what: str, text: str, word: str) -> None:
    if not text.isascii():
        strange = next(letter for letter in text if not letter.isascii())
        raise NameRefused(
            what, text, f"only a-z, 0-9, _ are letters, {strange!r} is not"
        )
    if len(word) > MAX_LENGTH:
        raise NameRefused(what, text, f"{len(word)} letters; at most {MAX_LENGTH}")
    if not _WORD.fullmatch(word):
        raise NameRefused(
            what, text, "begin with a letter, then a-z, 0-9 and single _ between words"
        )
    if keyword.iskeyword(word) or word in ("none", "true", "false"):
        raise _refused(what, text, "it is a word of Python")


def _refused(what: str, text: str, reason: str, suggestion: str = "") -> NameRefused:
    better = (
        suggestion or f"{text.replace('-', '_').lower()}_{_SUFFIXES.get(what, what)}"
    )
    return NameRefused(what, text, f"{reason}; another name, such as {better}")
