"""A project that is there is read, and added to in one place."""

from pathlib import Path

import pytest

from foretell.builder.errors import NotAProject, ProjectUnclear
from foretell.builder.existing import ExistingProject, add_module


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ('x = Extension("x")\n', 'x = Extension("x", modules=["x.tasks"])\n'),
        (
            'x = Extension("x", prefix="/é")\n',
            'x = Extension("x", prefix="/é", modules=["x.tasks"])\n',
        ),
        (
            'x = Extension("x", modules=["x.resources"])\n',
            'x = Extension("x", modules=["x.resources", "x.tasks"])\n',
        ),
        (
            'x = Extension("x", modules=[])\n',
            'x = Extension("x", modules=["x.tasks"])\n',
        ),
        (
            'x = foretell.Extension(\n    "x",\n    prefix="/api",\n)  # ours\n',
            'x = foretell.Extension(\n    "x",\n    prefix="/api", modules=["x.tasks"])  # ours\n',
        ),
    ],
)
def test_a_module_is_added_to_the_extension(source: str, wanted: str) -> None:
    added = add_module(f"import os\n\n{source}", "x.tasks")
    assert added == f"import os\n\n{wanted}"


@pytest.mark.parametrize("modules", ['["x.tasks"]', '["x"]', '["x.tasks", "y"]'])
def test_a_module_that_is_there_is_not_added_again(modules: str) -> None:
    assert add_module(f'x = Extension("x", modules={modules})\n', "x.tasks") is None


@pytest.mark.parametrize(
    "source", ["", "x = make()\n", 'x = Extension("x", modules=MODULES)\n', "x = (\n"]
)
def test_what_cannot_be_changed_safely_is_left_to_its_owner(source: str) -> None:
    with pytest.raises(ProjectUnclear, match="by hand"):
        add_module(source, "x.tasks")


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAProject, match="foretell new"):
        ExistingProject.find(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.foretell]\npackage = 'shop'\n")
    with pytest.raises(NotAProject):
        ExistingProject.find(tmp_path)
