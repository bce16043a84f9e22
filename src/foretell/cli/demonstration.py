"""`foretell demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    data_dir: Annotated[
        Path | None, typer.Option(help="Data directory; a throw-away one without.")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=1_000, help="Rows of the file that is imported.")
    ] = 1_000_000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the server up at the end.")
    ] = False,
) -> None:
    """Run the main job end to end on real data, and check every claim on the way."""
    from foretell.demo.story import tell

    tell(data_dir, rows=rows, keep=keep)
