"""Names that would only fail later are refused at once, with the reason."""

import re

import pytest

from foretell.app import ROUTERS
from foretell.builder.errors import FieldRefused, NameRefused
from foretell.builder.fields import parse_field, parse_fields
from foretell.builder.names import (
    TAKEN_FIELDS,
    TAKEN_PLURALS,
    field_name,
    project_name,
    resource_name,
)
from foretell.core.db import Base
from foretell.extension.claims import RESERVED
from foretell.migrations import table_modules
from foretell.resources.model import Resource


@pytest.mark.parametrize(
    ("text", "package"),
    [("a", "a"), ("my-shop", "my_shop"), ("s" * 60, "s" * 60), ("shop2", "shop2")],
)
def test_a_project_is_named_as_a_folder_and_a_package(text: str, package: str) -> None:
    assert project_name(text).package == package


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("s" * 61, "61 letters; at most 60"),
        ("class", "a word of Python"),
        ("json", "Python has a module json"),
        ("foretell", "Python has a module foretell"),
        ("tests", "Python has a module tests"),
        ("jobs", "a part of its own"),
        ("Shop", "begin with a letter"),
        ("2shop", "begin with a letter"),
        ("../shop", "begin with a letter"),
        ("", "begin with a letter"),
        ("café", "'é' is not"),
    ],
)
def test_a_project_that_could_not_be_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NameRefused, match=re.escape(reason)):
        project_name(text)


@pytest.mark.parametrize(
    ("text", "class_name", "plural"),
    [
        ("order", "Order", "orders"),
        ("OrderLine", "OrderLine", "order_lines"),
        ("order-line", "OrderLine", "order_lines"),
        ("box", "Box", "boxes"),
        ("category", "Category", "categories"),
        ("child", "Child", "children"),
        ("series", "Series", "series"),
        ("sheep", "Sheep", "sheep"),
        ("bus", "Bus", "buses"),
        ("quiz", "Quiz", "quizzes"),
        ("group", "Group", "groups"),
        ("a", "A", "as"),
    ],
)
def test_a_resource_has_a_class_and_a_plural(
    text: str, class_name: str, plural: str
) -> None:
    name = resource_name(text)
    assert (name.class_name, name.plural) == (class_name, plural)


@pytest.mark.parametrize(
    "text", ["user", "job", "dataset", "model", "key", "session", "import", "none", "é"]
)
def test_a_resource_that_foretell_or_python_has_is_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        resource_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "type",
        "order",
        "user",
        "group",
        "select",
        "model",
        "json",
        "schema",
        "copy",
        "date",
    ],
)
def test_words_of_sql_and_names_of_modules_are_fields(text: str) -> None:
    assert field_name(text) == text


@pytest.mark.parametrize(
    "text",
    ["id", "version", "metadata", "registry", "class", "import", "str", "where", "Age"],
)
def test_a_field_that_would_hide_something_is_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        field_name(text)


def test_the_names_that_are_taken_are_all_that_foretell_has() -> None:
    table_modules.load()
    tables = {
        model.__tablename__
        for model in Base.__subclasses__()
        if model.__module__.startswith("foretell.") and model is not Resource
    }
    assert tables <= TAKEN_PLURALS
    addresses = {p.split("/")[2] for p in RESERVED if p.startswith("/api/")}
    for router in ROUTERS:
        paths = [str(getattr(route, "path", "")) for route in router.routes]
        addresses |= {p.split("/")[2] for p in paths if p.startswith("/api/")}
    assert {a.replace("-", "_") for a in addresses} <= TAKEN_PLURALS
    own_columns = {"id", "version", "created_at", "updated_at", "metadata", "registry"}
    assert own_columns <= TAKEN_FIELDS


def test_a_field_is_read_with_its_marks_or_with_words() -> None:
    field = parse_field("email:str!")
    assert (field.name, field.kind, field.is_unique) == ("email", "str", True)
    assert parse_field("age:int?^") == parse_field("age:int:optional:index")
    reference = parse_field("customer:ref:customer?")
    assert reference.column == "customer_id"
    assert reference.is_nullable
    assert parse_field("customer_id:ref:customer").name == "customer"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("age", "write name:type"),
        ("age:", "write name:type"),
        ("age:integer", "did you mean int?"),
        ("age:int:uniqe", "none of optional, unique, index"),
        ("customer:ref", "say what it refers to"),
        ("customer:ref:user", "Foretell itself has users"),
        ("note:text!", "cannot be unique"),
        ("done:bool!", "cannot be unique"),
        ("data:json^", "index"),
        ("größe:int", "'ö' is not"),
    ],
)
def test_a_field_that_cannot_be_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FieldRefused, match=re.escape(reason)):
        parse_field(text)


def test_a_field_comes_once() -> None:
    with pytest.raises(FieldRefused, match="before it"):
        parse_fields(["a:int", "a:str"])
    with pytest.raises(FieldRefused, match="before it"):
        parse_fields(["customer_id:str", "customer:ref:customer"])
