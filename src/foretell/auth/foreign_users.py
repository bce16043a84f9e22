"""Where accounts of another backend are read from: a Django database, or a CSV file.

The database is only read, a thousand rows at a time in the order of their key, and
nothing in it is changed or locked.
"""

import csv
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, Table, inspect, select
from sqlalchemy.exc import NoSuchModuleError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from foretell.auth.importing import ForeignUser
from foretell.core.principal import Role
from foretell.errors import Invalid, Unavailable
from foretell.settings import normalise_database_url

DJANGO_TABLE = "auth_user"
_ROWS = 1000
_SQLITE = "sqlite+aiosqlite:///"
_NEEDED = ("email", "password")
_CSV_COLUMNS = ("email", "password_hash")


async def django_users(
    url: str, *, table: str = DJANGO_TABLE, superusers: Role = Role.VIEWER
) -> AsyncGenerator[ForeignUser]:
    """The accounts of a Django database, by their key.

    Args:
        url: `postgresql://…`, `mysql://…` or `sqlite:///file`.
        table: Of the user model; `schema.table` where it needs one.
        superusers: The role of accounts with `is_superuser`; others are viewers.

    Raises:
        Invalid: There is no such table, or it is none of accounts.
        Unavailable: The database does not answer or refuses the sign-in.
    """
    async with _reading(url) as connection:
        found = await connection.run_sync(lambda c: _table(c, table))
        (key,) = found.primary_key.columns
        last: Any = None
        while True:
            statement = select(found).order_by(key).limit(_ROWS)
            if last is not None:
                statement = statement.where(key > last)
            rows = (await connection.execute(statement)).mappings().all()
            for row in rows:
                yield _django_user(row, str(row[key.name]), superusers)
            if len(rows) < _ROWS:
                return
            last = rows[-1][key.name]


def csv_users(path: Path) -> Iterator[ForeignUser]:
    """The accounts of a CSV file with the columns email and password_hash, and where
    they stand there name, role and disabled.

    Raises:
        Invalid: A column is missing, or a cell cannot be what it says; the line named.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(_CSV_COLUMNS) - set(reader.fieldnames or ())
        if missing:
            names = ", ".join(sorted(missing))
            raise Invalid(f"{path.name}: the header lacks {names}.")
        for row in reader:
            place = f"line {reader.line_num}"
            yield ForeignUser(
                place,
                row["email"] or "",
                row.get("name") or "",
                row["password_hash"] or "",
                _role(row.get("role") or Role.VIEWER, place),
                disabled=_is_true(row.get("disabled") or "", place),
            )


def _django_user(row: Any, key: str, superusers: Role) -> ForeignUser:
    names = [str(row.get(part) or "") for part in ("first_name", "last_name")]
    return ForeignUser(
        f"id {key}",
        str(row["email"] or ""),
        " ".join(filter(None, names)) or str(row.get("username") or ""),
        str(row["password"] or ""),
        superusers if row.get("is_superuser") else Role.VIEWER,
        disabled=not row.get("is_active", True),
    )


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[AsyncConnection]:
    try:
        engine = create_async_engine(_for_reading(url))
    except (NoSuchModuleError, ModuleNotFoundError, SQLAlchemyError):
        raise Invalid(
            "That is no address of a database that can be read here: "
            "postgresql://…, mysql://… or sqlite:///file, its driver installed."
        ) from None
    try:
        async with engine.connect() as connection:
            yield connection
    except (SQLAlchemyError, OSError) as error:
        # The driver's words may repeat the address, password included.
        kind = type(getattr(error, "orig", None) or error).__name__
        raise Unavailable(
            f"The other database does not answer or refuses the sign-in ({kind})."
        ) from None
    finally:
        await engine.dispose()


def _for_reading(url: str) -> str:
    address = normalise_database_url(url)
    if not address.startswith(_SQLITE):
        return address
    # Not made where there is none, and never written to.
    file = Path(address.removeprefix(_SQLITE)).resolve()
    if not file.is_file():
        raise Unavailable(f"There is no file {str(file)!r}.")
    return f"{_SQLITE}file:{file}?mode=ro&uri=true"


def _table(connection: Any, name: str) -> Table:
    schema, _, plain = name.rpartition(".")
    try:
        table = Table(
            plain,
            MetaData(),
            schema=schema or None,
            autoload_with=connection,
            resolve_fks=False,
        )
    except NoSuchTableError:
        tables = inspect(connection).get_table_names(schema or None)
        near = ", ".join(sorted(t for t in tables if "user" in t)[:5]) or "none"
        raise Invalid(
            f"There is no table {name!r}; with users in their names: {near}."
        ) from None
    lacking = [c for c in _NEEDED if c not in table.columns]
    if lacking or len(table.primary_key.columns) != 1:
        words = ", ".join(lacking) or "a key of one column"
        raise Invalid(f"The table {name!r} is none of accounts: it lacks {words}.")
    return table


def _role(text: str, place: str) -> Role:
    try:
        return Role(text.strip().lower())
    except ValueError:
        roles = ", ".join(Role)
        raise Invalid(f"{place}: the role {text!r} is none of {roles}.") from None


def _is_true(text: str, place: str) -> bool:
    found = {"": False, "false": False, "0": False, "true": True, "1": True}
    try:
        return found[text.strip().lower()]
    except KeyError:
        raise Invalid(f"{place}: disabled is true or false, not {text!r}.") from None
