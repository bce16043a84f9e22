"""Append shares files and refuses other columns, each by name."""

import pytest

from foretell.datasets.appending import appended
from foretell.datasets.contents import VersionContents
from foretell.datasets.errors import AppendMismatch
from foretell.datasets.tables import DatasetVersion


def column(name: str, kind: str = "integer", nullable: bool = False):
    return {"name": name, "type": kind, "nullable": nullable}


def contents(*columns, key: str = "new"):
    part = {"key": key, "rows": 2, "bytes": 10, "sha256": "x"}
    return VersionContents(
        columns=list(columns), rows=2, rejects=1, bytes=10, parts=[part]
    )


def base(*columns):
    part = {"key": "old", "rows": 3, "bytes": 20, "sha256": "y"}
    return DatasetVersion(
        number=4, columns=list(columns), rows=3, bytes=20, rejects=0, parts=[part]
    )


def test_the_new_manifest_lists_the_old_files_first():
    made = appended(base(column("a")), contents(column("a", nullable=True)))
    assert [part["key"] for part in made.parts] == ["old", "new"]
    assert (made.rows, made.rejects, made.bytes) == (5, 1, 30)
    assert made.columns == [column("a", nullable=True)]
    assert made.lineage == {"appended_to": 4}


def test_appending_to_nothing_is_the_first_version():
    first = contents(column("a"))
    assert appended(None, first) is first


def test_every_column_that_does_not_fit_is_named():
    with pytest.raises(AppendMismatch) as caught:
        appended(
            base(column("a"), column("b"), column("c")),
            contents(column("a", "text"), column("d"), column("c")),
        )
    found = {error.pointer: error.code for error in caught.value.errors}
    assert found == {
        "/columns/a": "type",
        "/columns/b": "missing",
        "/columns/d": "extra",
    }
