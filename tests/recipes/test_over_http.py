"""Recipes as a user sees them: put, look, run, preview, follow."""

import pytest

from tests.served import unique, upload

PEOPLE = "id,name,email\n1,Ann, ANN@x.org \n2,Bob,\n3,Cy,bob@x.org\n4,Di,ann@x.org\n5,Ed,@@\n"
CLEAN: dict[str, list[dict[str, object]]] = {
    "steps": [
        {"step": "drop_null", "columns": ["email"]},
        {"step": "trim", "columns": ["email"]},
        {"step": "case", "columns": ["email"], "to": "lower"},
    ],
    "checks": [{"check": "matches", "column": "email", "pattern": ".+@.+"}],
}


@pytest.fixture
def editor(callers):
    return callers.editor


@pytest.fixture
def people(editor):
    name = unique("people")
    assert upload(editor, name, PEOPLE).status_code == 201
    return name


@pytest.fixture
def recipe(editor):
    """Puts a recipe and gives its name."""

    def put(**body):
        name = unique("recipe")
        answer = editor.put(f"/api/recipes/{name}", json=body or CLEAN)
        assert answer.status_code == 201, answer.text
        return name

    return put


def run(client, dataset, recipe, **more):
    params = {"dry_run": True} if more.pop("dry_run", False) else {}
    return client.post(
        f"/api/datasets/{dataset}/runs",
        json={"recipe": recipe, **more},
        params=params,
        headers={"Prefer": "wait=50"},
    )


def rows(client, name, **params):
    return client.get(f"/api/datasets/{name}/rows", params=params).json()["items"]


def test_a_recipe_is_read_as_it_was_written_and_versions_stay(editor):
    path = f"/api/recipes/{unique('clean')}"
    made = editor.put(path, json=CLEAN)
    assert (made.status_code, made.headers["location"]) == (201, path)
    found = editor.get(path).json()
    assert {key: found[key] for key in CLEAN} == CLEAN
    again = editor.put(path, json={"steps": CLEAN["steps"][:1]})
    assert (again.status_code, again.json()["version"]) == (200, 2)
    first = editor.get(path, params={"version": 1}).json()
    assert (first["steps"], first["latest"]) == (CLEAN["steps"], 2)
    assert editor.get(path, params={"version": 3}).status_code == 404
    listed = editor.get("/api/recipes?limit=1000").json()["items"]
    assert (found["name"], 2) in [(r["name"], r["version"]) for r in listed]
    versions = editor.get(f"{path}/versions").json()["items"]
    assert [r["version"] for r in versions] == [2, 1]


def test_a_run_makes_a_version_with_lineage_report_and_rejects(editor, people, recipe):
    name, output = recipe(), unique("out")
    made = run(editor, people, name, output=output)
    assert (made.status_code, made.headers["location"]) == (
        201,
        f"/api/datasets/{output}",
    )
    found = made.json()
    assert (found["recipe"], found["rows"], found["rejects"]) == (name, 3, 1)
    assert found["lineage"]["dataset_version"] == 1
    report = found["lineage"]["report"]
    assert [
        (s["step"], s["rows_in"], s["rows_out"], s["changed"]) for s in report["steps"]
    ] == [("drop_null", 5, 4, 0), ("trim", 4, 4, 1), ("case", 4, 4, 1)]
    addresses = [row["email"] for row in rows(editor, output)]
    assert addresses == ["ann@x.org", "bob@x.org", "ann@x.org"]
    rejects = editor.get(f"/api/datasets/{output}/rejects").json()["items"]
    assert [(r["line"], r["column"], r["code"]) for r in rejects] == [
        (5, "email", "matches")
    ]
    assert '"name":"Ed"' in rejects[0]["raw"]


def test_the_job_tells_the_report(editor, people, recipe):
    path = f"/api/datasets/{people}/runs"
    job = editor.post(path, json={"recipe": recipe()})
    assert (job.status_code, job.json()["task"]) == (202, "recipes.run")
    assert "succeeded" in editor.get(f"{job.headers['location']}/events").text
    result = editor.get(job.headers["location"]).json()["result"]
    assert (result["dataset"], result["version"]) == (people, 2)
    assert result["report"]["rejected"] == 1
    assert len(rows(editor, people)) == 3
    assert len(rows(editor, people, version=1)) == 5


def test_a_dry_run_shows_each_step_and_stores_nothing(editor, people, recipe):
    answer = run(editor, people, recipe(), dry_run=True)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    figures = [(s["rows_in"], s["rows_out"]) for s in shown["steps"]]
    assert figures == [(5, 4), (4, 4), (4, 4)]
    trim = shown["steps"][1]
    assert trim["before"][0]["email"] == " ANN@x.org "
    assert trim["after"][0]["email"] == "ANN@x.org"
    assert (len(shown["rows"]), shown["rejects"][0]["code"]) == (3, "matches")
    assert editor.get(f"/api/datasets/{people}").json()["version"] == 1


def test_what_does_not_fit_is_named_before_a_job_is_made(editor, people, recipe):
    trim = {"step": "trim", "columns": ["name"]}
    name = recipe(steps=[trim, {"step": "trim", "columns": ["name", "emial"]}])
    for dry_run in (True, False):
        answer = run(editor, people, name, dry_run=dry_run)
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/steps/1/columns/1"
        assert "'email'" in error["message"]
    assert editor.get(f"/api/datasets/{people}").json()["version"] == 1


def test_an_expression_error_points_at_the_character(editor):
    steps = [{"step": "filter", "where": "a = 1 AND AND"}]
    path = f"/api/recipes/{unique('r')}"
    answer = editor.put(path, json={"steps": steps}).json()
    assert answer["errors"][0]["pointer"] == "/steps/0/where"
    assert answer["position"] == 11
    assert editor.get(path).status_code == 404


def test_a_check_that_fails_makes_no_version_and_says_how_many(editor, people, recipe):
    check = {"check": "not_null", "column": "email", "severity": "fail"}
    name, output = recipe(checks=[check]), unique("strict")
    answer = run(editor, people, name, output=output)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/checks/0"
    assert "1 rows break not_null" in answer.json()["detail"]
    assert editor.get(f"/api/datasets/{output}").status_code == 404
    shown = run(editor, people, name, dry_run=True).json()
    assert shown["checks"][0]["examples"][0]["name"] == "Bob"


def test_if_match_guards_a_recipe(editor):
    path = f"/api/recipes/{unique('clean')}"
    made = editor.put(path, json=CLEAN)
    tag = {"If-Match": made.headers["etag"]}
    assert editor.put(path, json=CLEAN, headers=tag).status_code == 200
    for method in ("PUT", "DELETE", "PATCH"):
        body = {} if method == "DELETE" else {"json": {"description": "x"}}
        answer = editor.request(method, path, headers=tag, **body)
        assert answer.status_code == 412, method
    assert editor.delete(path).status_code == 204
    assert editor.get(path).status_code == 404


def test_recipes_are_their_owners_until_they_are_shared(callers, recipe):
    editor, other = callers.editor, callers.other
    name = recipe()
    path = f"/api/recipes/{name}"
    assert other.get(path).status_code == 404
    assert name not in other.get("/api/recipes?limit=1000").text
    assert other.put(path, json=CLEAN).status_code == 409
    shared = {"visibility": "everyone"}
    assert editor.patch(path, json=shared).status_code == 200
    assert other.get(path).status_code == 200
    assert other.put(path, json=CLEAN).status_code == 403
    assert callers.viewer.get(path).status_code == 200
    assert callers.viewer.put(path, json=CLEAN).status_code == 403


def test_a_join_reads_only_what_its_caller_may_read(callers, people):
    other, mine, name = callers.other, unique("mine"), unique("spy")
    assert upload(other, mine, "id\n1\n").status_code == 201
    steps = [{"step": "join", "dataset": people, "on": ["id"]}]
    other.put(f"/api/recipes/{name}", json={"steps": steps})
    for dry_run in (True, False):
        assert run(other, mine, name, dry_run=dry_run).status_code == 404
    upload(callers.editor, mine2 := unique("mine"), "id,city\n2,Rome\n9,Ulm\n")
    callers.editor.put(f"/api/recipes/{name}-own", json={"steps": steps})
    joined = run(callers.editor, mine2, f"{name}-own", dry_run=True).json()
    assert [row["name"] for row in joined["rows"]] == ["Bob", None]


def test_a_recipe_follows_new_versions_by_itself(editor, people, recipe):
    name, output = recipe(), unique("tidy")
    assert run(editor, people, name, output=output, automatic=True).status_code == 201
    path = f"/api/datasets/{people}/versions"
    upload(editor, "", "id,name,email\n9,Zed,Z@X.ORG\n", path=path)
    jobs = editor.get("/api/jobs?task=recipes.run&limit=1").json()["items"]
    assert "succeeded" in editor.get(f"/api/jobs/{jobs[0]['id']}/events").text
    found = editor.get(f"/api/datasets/{output}").json()
    assert (found["version"], found["rows"]) == (2, 1)
    assert found["lineage"]["dataset_version"] == 2
    listed = editor.get(f"/api/datasets/{people}/runs").json()["items"]
    assert [(r["recipe"], r["output"]) for r in listed] == [(name, output)]
    stop = f"/api/datasets/{people}/runs/{name}"
    assert editor.delete(stop).status_code == 204
    assert editor.delete(stop).status_code == 404
    assert editor.get(f"/api/datasets/{people}/runs").json()["items"] == []


def test_automatic_runs_cannot_go_round(editor, people, recipe):
    name, output = recipe(), unique("b")
    assert run(editor, people, name, automatic=True).status_code == 409
    run(editor, people, name, automatic=True, output=output)
    back = run(editor, output, name, automatic=True, output=people)
    assert back.status_code == 409
    assert back.json()["type"].endswith("/recipe-cycle")


def test_the_task_can_be_enqueued_and_checks_what_it_names(editor, people, recipe):
    args = {"recipe": recipe(), "dataset": people, "output": unique("by-task")}
    body = {"task": "recipes.run", "args": args}
    job = editor.post("/api/jobs", json=body, headers={"Prefer": "wait=50"})
    assert job.json()["state"] == "succeeded", job.text
    made = editor.get(f"/api/datasets/{args['output']}").json()
    assert made["recipe"] == args["recipe"]
    for change in ({"recipe": "none"}, {"dataset": "none"}, {"version": 9}):
        body = {"task": "recipes.run", "args": {**args, **change}}
        assert editor.post("/api/jobs", json=body).status_code == 404
