"""Tell a workbook with macros from one without.

Nothing here would ever run them. But a file that is kept and handed on should not carry
code that its readers do not see, so its sender has to say that it may.
"""

import mmap
import zipfile
from pathlib import Path

from foretell.tabular.containers import Container
from foretell.tabular.errors import MacrosRefused

_PROJECT = "vbaproject.bin"
_FOLDERS = {
    "xlsx": ("xl/macrosheets/",),
    "xlsb": ("xl/macrosheets/",),
    "ods": ("basic/", "scripts/"),
}
_OLD_PROJECT = "_VBA_PROJECT_CUR\0".encode("utf-16-le")


def refuse_macros(path: Path, form: Container, kind: str) -> None:
    """Return if the workbook holds no macro project and no sheet of macros.

    Raises:
        MacrosRefused: It does.
    """
    found = _is_old_project(path) if form == "xls" else _has_part(path, form)
    if found:
        raise MacrosRefused(kind)


def _has_part(path: Path, form: Container) -> bool:
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename.lower() for entry in archive.infolist()]
    folders = _FOLDERS.get(form, ())
    return any(
        name.endswith(_PROJECT) or (name.startswith(folders) and not name.endswith("/"))
        for name in names
    )


def _is_old_project(path: Path) -> bool:
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return data.find(_OLD_PROJECT) >= 0
