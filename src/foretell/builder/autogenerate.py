"""Run as a process of its own in a project: writes the migration that it lacks.

    python -m foretell.builder.autogenerate PACKAGE MESSAGE DATABASE_URL

It loads the project's extension and not its application, so that a site of Django or
Flask beside it need not be installed.
"""

import asyncio
import os
import sys
from importlib import import_module

from foretell.core import schema
from foretell.core.db import Database
from foretell.errors import ForetellError
from foretell.extension.active import Extensions


async def main(package: str, message: str, database_url: str) -> None:
    """Write the migration, if the tables need one."""
    sys.path.insert(0, os.getcwd())
    module = import_module(f"{package}.extension")
    (branch,) = branches = Extensions([getattr(module, package)]).branches()
    database = Database(database_url, pool_size=1)
    try:
        await schema.make_revision(database, message, branches, branch=branch)
    finally:
        await database.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except ForetellError as error:
        sys.exit(error.detail)
