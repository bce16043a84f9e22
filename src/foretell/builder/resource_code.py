"""The files of one resource: its model, a maker for tests, its tests.

The migration is not among them: it is made from the model, when the model is there.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from foretell.builder.fields import Field
from foretell.builder.names import ResourceName
from foretell.builder.rendering import Files, import_block, render


@dataclass(frozen=True, slots=True)
class ResourcePlan:
    """A resource to write.

    Attributes:
        is_owned: Whether each row belongs to who made it.
        description: Docstring of the model; made of the name without.
    """

    name: ResourceName
    fields: tuple[Field, ...]
    is_owned: bool = False
    description: str = ""

    @property
    def references(self) -> list[tuple[Field, ResourceName]]:
        """Fields that refer to rows of another resource, with that resource."""
        return [(field, field.target) for field in self.fields if field.target]


def resource_files(package: str, plan: ResourcePlan) -> Files:
    """The model, a maker for tests and the tests."""
    name = plan.name.singular
    return {
        PurePosixPath(package, "resources", f"{name}.py"): _model(package, plan),
        PurePosixPath("tests", "examples", f"{name}.py"): _maker(plan),
        PurePosixPath("tests", f"test_{name}.py"): _tests(plan),
    }


def _model(package: str, plan: ResourcePlan) -> str:
    imports = {
        "foretell.Resource",
        "sqlalchemy.orm.Mapped",
        f"{package}.extension.{package}",
    }
    parts = [
        [_column(field, imports) for field in plan.fields],
        [
            _relation(field, target, plan, package, imports)
            for field, target in plan.references
        ],
    ]
    lines = [line for part in parts if part for line in ("", *part)]
    return render(
        "resource.py",
        title=sentence(plan.name.plural_words),
        address=plan.name.address,
        imports=import_block(imports, package),
        decorator=f"{package}.resource" + ("(owned=True)" if plan.is_owned else ""),
        class_name=plan.name.class_name,
        description=plan.description or sentence(f"{article(plan.name.words)}."),
        body="\n".join(f"    {line}" if line else "" for line in lines),
    )


def _column(field: Field, imports: set[str]) -> str:
    kind, arguments = field.type, []
    imports.update(kind.imports)
    if field.target:
        imports.add("sqlalchemy.ForeignKey")
        arguments.append(f'ForeignKey("{field.target.plural}.id")')
    if kind.column:
        imports.update(kind.column_imports)
        arguments.append(kind.column)
    if field.kind == "json":  # Any says nothing about null
        arguments.append(f"nullable={field.is_nullable}")
    if field.is_unique:
        arguments.append("unique=True")
    elif field.is_indexed or field.target:
        arguments.append("index=True")
    line = f"{field.column}: Mapped[{field.annotation}]"
    if not arguments:
        return line
    imports.add("sqlalchemy.orm.mapped_column")
    return f"{line} = mapped_column({', '.join(arguments)})"


def _relation(
    field: Field,
    target: ResourceName,
    plan: ResourcePlan,
    package: str,
    imports: set[str],
) -> str:
    imports.add("sqlalchemy.orm.relationship")
    annotation = target.class_name + (" | None" if field.is_nullable else "")
    arguments = []
    if [other for _, other in plan.references].count(target) > 1:
        arguments.append(f"foreign_keys=[{field.column}]")
    if target == plan.name:
        annotation = f'"{annotation}"'
        arguments.append(f'remote_side="{target.class_name}.id"')
    else:
        imports.add(f"{package}.resources.{target.singular}.{target.class_name}")
    return f"{field.name}: Mapped[{annotation}] = relationship({', '.join(arguments)})"


def _maker(plan: ResourcePlan) -> str:
    imports = {"typing.Any", "httpx2.AsyncClient"}
    required = [field for field in plan.fields if not field.is_nullable]
    is_counted = any(field.is_unique and not field.target for field in required)
    before, items = [], []
    if is_counted:
        imports.add("itertools.count")
        before.append("number = next(_numbers)")
    for field in required:
        if field.target:
            target = field.target.singular
            imports.add(f"tests.examples.{target}.make_{target}")
            before.append(f"its_{field.name} = await make_{target}(client)")
            items.append(f'"{field.column}": its_{field.name}["id"],')
        else:
            value = field.varied if field.is_unique else field.sample(1)
            items.append(f'"{field.name}": {value},')
    lines = [*before, *_posting(plan.name.address, items)]
    return render(
        "resource_maker.py",
        imports=import_block(imports, "tests"),
        counter="\n_numbers = count(1)\n" if is_counted else "",
        article=article(plan.name.words),
        singular=plan.name.singular,
        body="\n".join(f"    {line}" for line in lines),
    )


def _posting(address: str, items: list[str]) -> list[str]:
    if not items:
        return [f'answer = await client.post("{address}", json=changes)']
    return [
        "body: dict[str, Any] = {",
        *(f"    {item}" for item in items),
        "    **changes,",
        "}",
        f'answer = await client.post("{address}", json=body)',
    ]


def _tests(plan: ResourcePlan) -> str:
    singular = plan.name.singular
    makers = {singular}
    plain = next((f for f in plan.fields if not f.target), None)
    # Where all fields refer to others, the same reference is a change, too.
    changed = plain or plan.fields[0]
    wrong = next((f for f in plan.fields if f.kind != "json"), None)
    words = {"singular": singular, "address": plan.name.address}
    more = ""
    for field in plan.fields:
        if field.is_unique and not field.target:
            more += render("resource_test_unique.py", field=field.name, **words)
            break
    if plan.references:
        field, target = plan.references[0]
        makers.add(target.singular)
        more += render(
            "resource_test_expand.py",
            target=target.singular,
            column=field.column,
            relation=field.name,
            **words,
        )
    imports = {f"tests.examples.{name}.make_{name}" for name in makers}
    return render(
        "resource_test.py",
        title=sentence(plan.name.plural_words),
        imports=import_block(imports | {"httpx2.AsyncClient"}, "tests"),
        field=changed.column,
        another=plain.sample(2) if plain else f'made["{changed.column}"]',
        wrong_field=wrong.column if wrong else "no_such_field",
        wrong=wrong.type.wrong if wrong else "1",
        more=more.rstrip("\n") + "\n" if more else "",
        **words,
    )


def sentence(words: str) -> str:
    """The words with a capital at the start."""
    return words[:1].upper() + words[1:]


def article(words: str) -> str:
    """`a customer`, `an order`."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
