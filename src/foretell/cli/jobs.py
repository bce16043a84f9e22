"""`foretell job …`: see what runs, follow it, stop it, run it again."""

from typing import Annotated

import typer

from foretell.cli.connecting import connected
from foretell.cli.output import AsJson, Limit, collect, show_list, show_one
from foretell.cli.progress import figures, shown

commands = typer.Typer(help="Durable background work.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Id of the job.")]


@commands.command("list")
def list_all(
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connected() as client:
        items = list(
            collect(lambda n, cursor: client.list_jobs(state, task, n, cursor), limit)
        )
    if not as_json:
        items = [{**job, "progress": figures(job["progress"])} for job in items]
    columns = ("id", "task", "state", "progress", "attempt", "created_at")
    show_list(items, columns, as_json=as_json)


@commands.command("show")
def show(job_id: Id, as_json: AsJson = False) -> None:
    """Describe a job: state, progress, result or error."""
    with connected() as client:
        show_one(client.get_job(job_id), as_json=as_json)


@commands.command("log")
def log(job_id: Id) -> None:
    """Print what a job wrote."""
    with connected() as client:
        print(client.job_log(job_id), end="")


@commands.command("watch")
def watch(job_id: Id, as_json: AsJson = False) -> None:
    """Follow a job to its end; exit 1 when it did not succeed."""
    with connected() as client, shown(f"job {job_id}") as on_event:
        job = client.wait_for_job(job_id, on_event=on_event)
    show_one(job, as_json=as_json)
    if job["state"] != "succeeded":
        raise typer.Exit(1)


@commands.command("cancel")
def cancel(job_id: Id, as_json: AsJson = False) -> None:
    """Ask a job to stop."""
    with connected() as client:
        show_one(client.cancel_job(job_id), as_json=as_json)


@commands.command("retry")
def retry(job_id: Id, as_json: AsJson = False) -> None:
    """Run a failed or cancelled job again, under the same id."""
    with connected() as client:
        show_one(client.retry_job(job_id), as_json=as_json)
