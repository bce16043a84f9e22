"""`foretell serve` and `foretell worker`."""

import os
from typing import Annotated, Any

import typer

from foretell.jobs import head_start
from foretell.settings import PREFIX, load_settings

# `foretell.composition.WORKER`, whose import is what others need not wait for.
WORKER = "foretell.composition:worker_composition"

Port = Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Port = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that answer requests.")
    ] = 1,
    app: Annotated[
        str | None, typer.Option(help="Application of your own, module:name.")
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start again when code changes.")
    ] = False,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Run no jobs here.")
    ] = False,
    no_migrate: Annotated[
        bool, typer.Option("--no-migrate", help="Refuse an older database.")
    ] = False,
) -> None:
    """Migrate, then answer requests and run jobs until stopped."""
    _say(host=host, port=port, app=app)
    settings = load_settings()
    if not no_worker and not reload:
        head_start.begin(WORKER)
    from foretell.cli.server import Plan, run

    plan = Plan(
        processes=workers,
        is_reloading=reload,
        with_worker=not no_worker,
        with_migration=not no_migrate,
    )
    raise typer.Exit(run(settings, plan))


def worker(
    queues: Annotated[
        str, typer.Option(help="Only these, with commas between; all without.")
    ] = "",
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=64, help="Jobs at the same time.")
    ] = None,
    app: Annotated[
        str | None, typer.Option(help="Application whose tasks to run, module:name.")
    ] = None,
) -> None:
    """Run jobs, and nothing else, until stopped."""
    _say(worker_concurrency=concurrency, app=app)
    settings = load_settings()
    head_start.begin(WORKER)
    from foretell.cli.server import run_worker

    run_worker(settings, queues)


def _say(**options: Any) -> None:
    """Let options count like variables, so that child processes see them too."""
    for name, value in options.items():
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)
