"""`foretell schedule …`: what runs by itself, and when."""

import json
from typing import Annotated, Any

import typer

from foretell.cli.connecting import connected
from foretell.cli.output import AsJson, Limit, collect, show_list, show_one

commands = typer.Typer(help="When tasks run by themselves.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the schedule.")]


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter("not a JSON object")
    return found


@commands.command("list")
def list_all(limit: Limit = 50, as_json: AsJson = False) -> None:
    """List schedules, by name."""
    with connected() as client:
        items = list(collect(client.list_schedules, limit))
    if not as_json:
        items = [{**item, "next": _next_of(item)} for item in items]
    columns = ("name", "task", "cron", "every_s", "timezone", "next")
    show_list(items, columns, as_json=as_json)


def _next_of(item: Any) -> str:
    if item["paused"]:
        return str(item.get("pause_reason") or "paused")
    return str(item["next_runs"][0]) if item["next_runs"] else "never"


@commands.command("show")
def show(name: Name, as_json: AsJson = False) -> None:
    """Describe a schedule, with its next five runs."""
    with connected() as client:
        show_one(client.get_schedule(name), as_json=as_json)


@commands.command("put")
def put(
    name: Name,
    task: Annotated[str, typer.Argument(help="The task that runs.")],
    args: Annotated[str, typer.Option(help="Its arguments, a JSON object.")] = "{}",
    cron: Annotated[str | None, typer.Option(help="Five fields, quoted.")] = None,
    every: Annotated[float | None, typer.Option(help="Seconds between runs.")] = None,
    timezone: Annotated[str, typer.Option(help="A name of IANA, for cron.")] = "UTC",
    overlap: Annotated[
        str, typer.Option(help="While an earlier job is active: skip or queue.")
    ] = "skip",
    catch_up: Annotated[
        str, typer.Option(help="Missed ticks that run: none, one or all.")
    ] = "one",
    as_json: AsJson = False,
) -> None:
    """Make a schedule, or replace it."""
    times = {"cron": cron, "every_s": every}
    said = {key: value for key, value in times.items() if value is not None}
    with connected() as client:
        made = client.put_schedule(
            name,
            task,
            _object(args),
            timezone=timezone,
            overlap=overlap,
            catch_up=catch_up,
            **said,
        )
    show_one(made, as_json=as_json)


@commands.command("run")
def run(name: Name, as_json: AsJson = False) -> None:
    """Start a job of a schedule now."""
    with connected() as client:
        show_one(client.run_schedule(name), as_json=as_json)


@commands.command("pause")
def pause(
    name: Name,
    resume: Annotated[bool, typer.Option("--resume", help="Tick again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop the ticks of a schedule, or let them go on."""
    with connected() as client:
        show_one(client.pause_schedule(name, paused=not resume), as_json=as_json)


@commands.command("ticks")
def ticks(name: Name, as_json: AsJson = False) -> None:
    """List the last ticks of a schedule and what came of them."""
    with connected() as client:
        items = client.list_ticks(name)["items"]
    show_list(items, ("tick", "outcome", "job_id", "at"), as_json=as_json)


@commands.command("delete")
def delete(name: Name) -> None:
    """Forget a schedule; its jobs stay."""
    with connected() as client:
        client.delete_schedule(name)
