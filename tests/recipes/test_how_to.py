"""The how-to page says what happens."""

import json
import re
from pathlib import Path

import pytest

from tests.served import unique, upload

PAGE = (
    Path(__file__).parents[2].joinpath("docs", "how-to", "clean-a-table.md").read_text()
)
(CSV,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
CLEAN, COUNT = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
(SHOWN,) = re.findall(r"```\n(step .*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_recipe_cleans_the_table_as_the_page_shows(callers, tmp_path):
    people, output = unique("people"), unique("clean")
    assert upload(callers.editor, people, CSV).status_code == 201
    file = tmp_path / "clean.json"
    file.write_text(CLEAN)
    server = callers.server
    server.environment["FORETELL_URL"] = server.url
    key = callers.editor.headers["authorization"].removeprefix("Bearer ")
    server.environment["FORETELL_API_KEY"] = key
    arguments = ["recipe", "apply", str(file), "--name", output, "--dataset", people]
    try:
        dry = server.run(*arguments, "--dry-run").stdout
        done = server.run(*arguments, "--output", output).stdout
        listed = server.run("recipe", "list", "--json").stdout
        shown = server.run("recipe", "show", output).stdout
    finally:
        del server.environment["FORETELL_URL"], server.environment["FORETELL_API_KEY"]
    assert "3 rows, 1 aside; nothing was stored." in dry
    wanted = SHOWN.replace("clean-people", output)
    assert [line.rstrip() for line in done.splitlines()][-6:] == wanted.splitlines()
    assert output in [recipe["name"] for recipe in json.loads(listed)]
    assert json.loads(shown)["steps"] == json.loads(CLEAN)["steps"]
    rejects = callers.editor.get(f"/api/datasets/{output}/rejects").json()["items"]
    assert [reject["line"] for reject in rejects] == [5]


def test_different_addresses_are_counted(callers):
    editor, people = callers.editor, unique("people")
    assert upload(editor, people, CSV).status_code == 201
    steps = json.loads(CLEAN)["steps"][:3] + json.loads(COUNT)["steps"]
    name = unique("count")
    editor.put(f"/api/recipes/{name}", json={"steps": steps})
    answer = editor.post(
        f"/api/datasets/{people}/runs", json={"recipe": name}, params={"dry_run": True}
    )
    # With the one that is no address, which the check keeps aside, they are three.
    assert answer.json()["rows"] == [{"unique_emails": 3}]
