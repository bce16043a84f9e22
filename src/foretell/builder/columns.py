"""Run as a process of its own: prints the columns of a file as a dataset would have
them. It opens somebody's file with data libraries, which the command line never loads.

    python -m foretell.builder.columns FILE
"""

import sys
import tempfile
from pathlib import Path

import msgspec

from foretell.errors import ForetellError
from foretell.tabular.importing import import_table
from foretell.tabular.messages import ImportRequest


def main(path: Path) -> None:
    """Print a JSON list of name, type and nullable."""
    with tempfile.TemporaryDirectory(prefix="foretell-columns-") as folder:
        request = ImportRequest(source=str(path), output=folder, filename=path.name)
        result = import_table(request, lambda _: None)
    sys.stdout.buffer.write(msgspec.json.encode(result.columns))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except ForetellError as error:
        sys.exit(error.detail)
