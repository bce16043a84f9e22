"""Files are written all or none, and never over what somebody has changed."""

from pathlib import Path, PurePosixPath

import pytest

from foretell.builder.errors import FilesDiffer
from foretell.builder.writing import plan, write

FILES: dict[PurePosixPath, str | bytes] = {
    PurePosixPath("a/b.py"): "one\n",
    PurePosixPath("c.txt"): b"\x00",
}


def test_files_are_written_once(tmp_path: Path) -> None:
    assert [item.state for item in write(tmp_path, FILES)] == ["new", "new"]
    assert [item.state for item in write(tmp_path, FILES)] == ["same", "same"]
    assert (tmp_path / "a/b.py").read_text() == "one\n"


def test_a_changed_file_keeps_everything_from_being_written(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("mine")
    with pytest.raises(FilesDiffer, match=r"c\.txt"):
        write(tmp_path, FILES)
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "c.txt").read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "c.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FilesDiffer):
        write(tmp_path, FILES)
    assert not (tmp_path / "elsewhere").exists()


def test_what_was_written_is_taken_back_when_the_rest_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "z").write_text("a file, not a folder")
    with pytest.raises(OSError, match="z"):
        write(tmp_path, {**FILES, PurePosixPath("z/y.py"): "two\n"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["z"]


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    assert [item.path for item in plan(tmp_path, FILES)] == ["a/b.py", "c.txt"]
    assert not list(tmp_path.iterdir())
