"""Each dependency has a reason, and the reasons are of dependencies that exist."""

import re
import tomllib

from tests.docs.pages import ROOT, read


def test_reasons_and_dependencies_are_the_same_list() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {
        re.split(r"[\[<>=;! ]", need, maxsplit=1)[0] for need in project["dependencies"]
    }
    page = read("decisions/0002-dependencies.md")
    base, extras = page.split("## Extras")
    assert set(re.findall(r"^\| `([^`]+)` \|", base, re.MULTILINE)) == names
    assert set(re.findall(r"^\| `([^`]+)` \|", extras, re.MULTILINE)) == set(
        project["optional-dependencies"]
    )
