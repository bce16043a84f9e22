"""`foretell user …` and `foretell key …`: on the data directory, without a server.

Whoever can read the data directory can do all of it, so these commands ask for no
credential, and work when nobody can sign in any more.
"""

import asyncio
import getpass
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from foretell.cli.output import AsJson, Limit, show_list, show_one
from foretell.core.principal import Role
from foretell.errors import NotFound

if TYPE_CHECKING:
    from foretell.auth.identity import Services
    from foretell.auth.importing import ForeignUser
    from foretell.auth.tables import ApiKey, User
    from foretell.cli.local import LocalServer

users = typer.Typer(help="Accounts, on this machine's data directory.")
keys = typer.Typer(help="API keys, on this machine's data directory.")

Email = Annotated[str, typer.Argument(help="E-mail of the account.")]


@users.command("create")
def create_user(
    email: Email,
    role: Annotated[
        Role | None, typer.Option(help="admin if there is none yet, else viewer.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the person.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an account. The password is asked for, or the first line of stdin.

    The first admin also gets an API key for the commands on this machine, kept in
    the data directory for its owner alone.
    """
    show_one(asyncio.run(_create_user(email, _password(), name, role)), as_json=as_json)


@users.command("list")
def list_users(limit: Limit = 100, as_json: AsJson = False) -> None:
    """List accounts."""

    async def run() -> list[dict[str, Any]]:
        async with _server() as server, server.identity.unit_of_work() as services:
            return [_user(user) async for user in _all_users(services, limit)]

    columns = ("email", "name", "role", "disabled", "created_at")
    show_list(asyncio.run(run()), columns, as_json=as_json)


@users.command("role")
def change_role(email: Email, role: Annotated[Role, typer.Argument()]) -> None:
    """Give an account another role."""
    _change(email, role=role)
    print(f"{email} is {role} now")


@users.command("disable")
def disable_user(email: Email) -> None:
    """Refuse an account everywhere from now on."""
    _change(email, disabled=True)
    print(f"{email} is disabled")


@users.command("enable")
def enable_user(email: Email) -> None:
    """Let a disabled account in again."""
    _change(email, disabled=False)
    print(f"{email} is enabled")


@users.command("email")
def change_email(
    email: Email, new: Annotated[str, typer.Argument(help="The new e-mail.")]
) -> None:
    """Give an account another e-mail, without asking either mailbox."""

    async def run() -> None:
        async with _server() as server, server.identity.unit_of_work() as services:
            user = await services.accounts.get_by_email(email)
            await services.emails.change_local(server.operator, user.id, new)

    asyncio.run(run())
    print(f"{email} is {new} now")


@users.command("import")
def import_users(
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV with email, password_hash; name, role, disabled."),
    ] = None,
    django: Annotated[
        str | None,
        typer.Option(
            metavar="DSN",
            help="Database of a Django project instead of a file; - reads it from "
            "stdin, where no list of processes shows it.",
        ),
    ] = None,
    table: Annotated[
        str, typer.Option(help="Table of the project's user model.")
    ] = "auth_user",
    superusers: Annotated[
        Role, typer.Option(help="Role of its superusers; others are viewers.")
    ] = Role.VIEWER,
    as_json: AsJson = False,
) -> None:
    """Take accounts over from another backend, passwords included.

    Hashes of Django (PBKDF2, argon2id) and `$2b$` ones are checked as they are and
    upgraded when their owner signs in. Accounts that are here already stay as they are.
    Exits with 1 when some could not be taken.
    """
    if (file is None) == (django is None):
        raise typer.BadParameter("name a CSV file, or --django DSN")
    if django == "-":
        django = sys.stdin.readline().strip()
    report = asyncio.run(_import_users(file, django, table, superusers))
    reasons = report.pop("reasons")
    show_one(report | ({"reasons": reasons} if as_json else {}), as_json=as_json)
    for reason in reasons:
        print(reason, file=sys.stderr)
    if report["refused"]:
        raise typer.Exit(1)


@users.command("delete")
def delete_user(
    email: Email,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an account with its keys and sessions."""
    if not yes:
        typer.confirm(f"Delete the account {email}?", abort=True)

    async def run() -> None:
        async with _server() as server, server.identity.unit_of_work() as services:
            user = await services.accounts.get_by_email(email)
            await services.accounts.delete(server.operator, user.id)

    asyncio.run(run())
    print(f"deleted {email}")


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    user: Annotated[
        str | None, typer.Option(help="E-mail of its owner; the first admin without.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="May be repeated; all of the owner's.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=0, help="Until it expires; 0 for never.")
    ] = 90,
    save: Annotated[
        bool, typer.Option(help="Keep it for the commands on this machine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it: it is shown this once."""
    made = asyncio.run(_create_key(name, user, scope, days, save))
    show_one(made, as_json=as_json)


@keys.command("list")
def list_keys(limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the API keys of everybody, without the keys themselves."""

    async def run() -> list[dict[str, Any]]:
        async with _server() as server, server.identity.unit_of_work() as services:
            page = await services.keys.list_page(
                server.operator, cursor=None, limit=limit
            )
            return [_key(row) for row in page.items]

    columns = ("id", "name", "scopes", "expires_at", "last_used_at")
    show_list(asyncio.run(run()), columns, as_json=as_json)


@keys.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="Id of the key.")],
    as_json: AsJson = False,
) -> None:
    """Make a key with the same owner and scopes, delete the old one, print the new."""
    show_one(asyncio.run(_rotate(key_id)), as_json=as_json)


@keys.command("delete")
def delete_key(key_id: Annotated[str, typer.Argument(help="Id of the key.")]) -> None:
    """Delete a key; it opens nothing from then on."""

    async def run() -> None:
        async with _server() as server, server.identity.unit_of_work() as services:
            await services.keys.delete(server.operator, key_id)

    asyncio.run(run())
    print(f"deleted {key_id}")


async def _create_user(
    email: str, password: str, name: str | None, role: Role | None
) -> dict[str, Any]:
    from foretell.auth.service import NewUser

    new = NewUser(email, password, name or email.partition("@")[0], role)
    async with _server() as server:
        async with server.identity.unit_of_work() as services:
            user = await services.accounts.create_local(new)
        made = _user(user)
        if user.role == Role.ADMIN and _keep_key_of(server):
            made["key_file"] = await _saved_key(server, user)
    return made


async def _import_users(
    file: Path | None, django: str | None, table: str, superusers: Role
) -> dict[str, Any]:
    from foretell.auth.foreign_users import csv_users, django_users
    from foretell.auth.importing import ImportReport, in_batches

    report = ImportReport()
    async with _server() as server:
        if django is not None:
            found = django_users(django, table=table, superusers=superusers)
        else:
            found = _each(csv_users(cast(Path, file)))
        async with aclosing(found) as source:
            async for batch in in_batches(source):
                async with server.identity.unit_of_work() as services:
                    await services.imports.take(server.operator, batch, report)
    return asdict(report)


async def _each(items: Iterator["ForeignUser"]) -> AsyncGenerator["ForeignUser"]:
    for item in items:
        yield item


async def _create_key(
    name: str, email: str | None, scopes: list[str] | None, days: int, save: bool
) -> dict[str, Any]:
    from foretell.auth.keys import NewKey
    from foretell.client.credentials import write_key_file

    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    async with _server() as server:
        async with server.identity.unit_of_work() as services:
            owner = server.principal_of(await _owner(services, email))
            new = NewKey(
                name,
                scopes or sorted(owner.scopes),
                expires_at=expires_at,
                use_default_expiry=False,
            )
            made = await services.keys.create(owner, new)
        shown = _key(made.row) | {"owner": owner.email, "key": made.key}
        if save:
            write_key_file(server.settings.data_dir, made.key)
    return shown


async def _rotate(key_id: str) -> dict[str, Any]:
    from foretell.auth.keys import NewKey

    async with _server() as server, server.identity.unit_of_work() as services:
        old = await services.keys.get(server.operator, key_id)
        owner = server.principal_of(await services.accounts.get(old.user_id))
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        new = NewKey(
            old.name,
            list(old.scopes),
            expires_at=datetime.now(UTC) + lifetime if lifetime else None,
            use_default_expiry=False,
        )
        made = await services.keys.create(owner, new)
        await services.keys.delete(server.operator, key_id)
        return _key(made.row) | {"key": made.key}


async def _saved_key(server: "LocalServer", user: "User") -> str:
    from foretell.auth.keys import NewKey
    from foretell.client.credentials import write_key_file

    owner = server.principal_of(user)
    new = NewKey("command line", sorted(owner.scopes), use_default_expiry=False)
    async with server.identity.unit_of_work() as services:
        made = await services.keys.create(owner, new)
    return str(write_key_file(server.settings.data_dir, made.key))


def _keep_key_of(server: "LocalServer") -> bool:
    from foretell.client.credentials import KEY_FILE

    return not (server.settings.data_dir / KEY_FILE).exists()


async def _owner(services: "Services", email: str | None) -> "User":
    if email is not None:
        return await services.accounts.get_by_email(email)
    async for user in _all_users(services, 10_000):
        if user.role == Role.ADMIN and not user.disabled:
            return user
    raise NotFound("There is no admin yet: foretell user create you@example.org")


async def _all_users(services: "Services", limit: int) -> AsyncIterator["User"]:
    cursor: str | None = None
    while limit > 0:
        page = await services.accounts.list_page(cursor=cursor, limit=min(limit, 1000))
        for user in page.items:
            yield user
        limit -= len(page.items)
        cursor = page.next
        if cursor is None:
            return


def _change(email: str, **values: Any) -> None:
    async def run() -> None:
        from foretell.auth.service import UserChange

        async with _server() as server, server.identity.unit_of_work() as services:
            user = await services.accounts.get_by_email(email)
            change = UserChange(**values)
            await services.accounts.change(server.operator, user.id, change)

    asyncio.run(run())


def _server() -> Any:
    from foretell.cli.local import opened

    return opened()


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise typer.BadParameter("the two passwords differ")
    return password


def _user(user: "User") -> dict[str, Any]:
    names = ("id", "email", "name", "role", "disabled")
    shown = {name: getattr(user, name) for name in names}
    return shown | {"created_at": _moment(user.created_at)}


def _key(row: "ApiKey") -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": list(row.scopes),
        "expires_at": _moment(row.expires_at),
        "last_used_at": _moment(row.last_used_at),
    }


def _moment(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None
