"""The command `foretell`.

Every module of commands imports what it needs inside the command, so that
`foretell --help` and completion load neither FastAPI nor SQLAlchemy nor a data
library (a test looks).
"""

import sys

import typer

from foretell.cli import (
    about,
    accounts,
    building,
    connections,
    database,
    datasets,
    demonstration,
    jobs,
    models,
    recipes,
    schedules,
    serving,
    signing_keys,
)
from foretell.cli.failures import report
from foretell.errors import ForetellError

app = typer.Typer(
    name="foretell",
    help="A self-hosted backend for tables and trained models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serving.serve)
app.command("worker")(serving.worker)
app.command("demo")(demonstration.demo)
app.command("new")(building.new)
app.add_typer(building.generate, name="generate")
app.add_typer(accounts.users, name="user")
app.add_typer(accounts.keys, name="key")
app.add_typer(signing_keys.commands, name="signing-key")
app.add_typer(datasets.commands, name="dataset")
app.add_typer(recipes.commands, name="recipe")
app.add_typer(models.commands, name="model")
app.add_typer(jobs.commands, name="job")
app.add_typer(schedules.commands, name="schedule")
app.add_typer(connections.commands, name="connection")
app.add_typer(database.commands, name="db")
app.add_typer(about.config, name="config")
app.command("doctor")(about.doctor)
app.command("openapi")(about.openapi)
app.command("version")(about.version)


def main() -> None:
    """Run the command line; 0 is done, 1 failed, 2 a wrong command or setting."""
    try:
        app()
    except ForetellError as error:
        sys.exit(report(error))


@app.callback(invoke_without_command=True)
def _root(
    show_version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", is_eager=True
    ),
) -> None:
    if show_version:
        about.version(as_json=False)
        raise typer.Exit
