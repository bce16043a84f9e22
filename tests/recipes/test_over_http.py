"""Recipes as a user sees them: put, look, run, preview, follow."""

import pytest

PEOPLE = "id,name,email\n1,Ann, ANN@x.org \n2,Bob,\n3,Cy,bob@x.org\n4,Di,ann@x.org\n5,Ed,@@\n"
CLEAN = {
    "steps": [
        {"step": "drop_null", "columns": ["email"]},
        {"step": "trim", "columns": ["email"]},
        {"step": "case", "columns": ["email"], "to": "lower"},
    ],
    "checks": [{"check": "matches", "column": "email", "pattern": ".+@.+"}],
}


@pytest.fixture
async def people(client, run_jobs):
    return await add(client, run_jobs, "people", PEOPLE)


async def add(client, run_jobs, name, content, path="/api/datasets"):
    files = {"file": ("t.csv", content.encode())}
    await client.post(path, files=files, data={"name": name} if name else {})
    await run_jobs()
    return name


async def rows(client, name, **params):
    answer = await client.get(f"/api/datasets/{name}/rows", params=params)
    return answer.json()["items"]


async def test_a_recipe_is_read_as_it_was_written_and_versions_stay(client):
    made = await client.put("/api/recipes/clean", json=CLEAN)
    assert (made.status_code, made.headers["location"]) == (201, "/api/recipes/clean")
    found = (await client.get("/api/recipes/clean")).json()
    assert {key: found[key] for key in CLEAN} == CLEAN
    again = await client.put("/api/recipes/clean", json={"steps": CLEAN["steps"][:1]})
    assert (again.status_code, again.json()["version"]) == (200, 2)
    first = (await client.get("/api/recipes/clean", params={"version": 1})).json()
    assert (first["steps"], first["latest"]) == (CLEAN["steps"], 2)
    listed = (await client.get("/api/recipes")).json()["items"]
    assert [(r["name"], r["version"]) for r in listed] == [("clean", 2)]
    versions = (await client.get("/api/recipes/clean/versions")).json()["items"]
    assert [r["version"] for r in versions] == [2, 1]


async def test_a_run_makes_a_version_with_lineage_report_and_rejects(
    client, people, run_jobs
):
    await client.put("/api/recipes/clean", json=CLEAN)
    body = {"recipe": "clean", "output": "clean-people"}
    job = await client.post("/api/datasets/people/runs", json=body)
    assert job.status_code == 202
    await run_jobs()
    done = (await client.get(job.headers["location"])).json()
    assert done["state"] == "succeeded", done
    assert done["result"]["version"] == 1
    found = (await client.get("/api/datasets/clean-people")).json()
    assert (found["recipe"], found["rows"], found["rejects"]) == ("clean", 3, 1)
    assert found["lineage"]["dataset_version"] == 1
    report = found["lineage"]["report"]
    assert report == done["result"]["report"]
    assert [
        (s["step"], s["rows_in"], s["rows_out"], s["changed"]) for s in report["steps"]
    ] == [("drop_null", 5, 4, 0), ("trim", 4, 4, 1), ("case", 4, 4, 1)]
    assert [r["email"] for r in await rows(client, "clean-people")] == [
        "ann@x.org",
        "bob@x.org",
        "ann@x.org",
    ]
    rejects = (await client.get("/api/datasets/clean-people/rejects")).json()["items"]
    assert [(r["line"], r["column"], r["code"]) for r in rejects] == [
        (5, "email", "matches")
    ]
    assert '"name":"Ed"' in rejects[0]["raw"]


async def test_without_output_the_dataset_itself_gets_the_next_version(
    client, people, run_jobs
):
    await client.put("/api/recipes/clean", json=CLEAN)
    await client.post("/api/datasets/people/runs", json={"recipe": "clean"})
    await run_jobs()
    found = (await client.get("/api/datasets/people")).json()
    assert (found["version"], found["rows"]) == (2, 3)
    assert len(await rows(client, "people", version=1)) == 5


async def test_a_dry_run_shows_each_step_and_stores_nothing(client, people):
    await client.put("/api/recipes/clean", json=CLEAN)
    answer = await client.post(
        "/api/datasets/people/runs", params={"dry_run": True}, json={"recipe": "clean"}
    )
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert [(s["rows_in"], s["rows_out"]) for s in shown["steps"]] == [
        (5, 4),
        (4, 4),
        (4, 4),
    ]
    trim = shown["steps"][1]
    assert (trim["before"][0]["email"], trim["after"][0]["email"]) == (
        " ANN@x.org ",
        "ANN@x.org",
    )
    assert (len(shown["rows"]), shown["rejects"][0]["code"]) == (3, "matches")
    assert (await client.get("/api/datasets/people")).json()["version"] == 1


@pytest.mark.parametrize(
    ("step", "pointer", "words"),
    [
        ({"step": "trim", "columns": ["emial"]}, "/columns/0", "'email'"),
        ({"step": "trim", "columns": ["id"]}, "/columns/0", "type text"),
        ({"step": "filter", "where": "emial = 'x'"}, "/where", "'email'"),
        (
            {"step": "derive", "column": "z", "expression": "lowr(email)"},
            "/expression",
            "'lower'",
        ),
        ({"step": "join", "dataset": "people", "on": ["nmae"]}, "/on/nmae", "'name'"),
        ({"step": "cast", "columns": {"email": "date", "x": "text"}}, "/columns/x", ""),
    ],
)
async def test_what_does_not_fit_is_named_before_a_job_is_made(
    client, people, step, pointer, words
):
    steps = [{"step": "trim", "columns": ["name"]}, step]
    assert (
        await client.put("/api/recipes/r", json={"steps": steps})
    ).status_code == 201
    for params in ({}, {"dry_run": True}):
        answer = await client.post(
            "/api/datasets/people/runs", json={"recipe": "r"}, params=params
        )
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        assert error["pointer"] == f"/steps/1{pointer}"
        assert words in error["message"]
    jobs = (await client.get("/api/jobs?task=recipes.run")).json()["items"]
    assert jobs == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"steps": [{"step": "trimm"}]}, "/steps/0/step"),
        ({"steps": [{}]}, "/steps/0/step"),
        ({"steps": [{"step": "trim"}]}, "/steps/0/columns"),
        ({"steps": [{"step": "trim", "columns": []}]}, "/steps/0/columns"),
        ({"steps": [{"step": "trim", "columns": [1]}]}, "/steps/0/columns/0"),
        ({"steps": [{"step": "trim", "columns": ["a"], "x": 1}]}, "/steps/0/x"),
        ({"steps": [{"step": "filter", "where": "a = "}]}, "/steps/0/where"),
        (
            {"steps": [{"step": "join", "dataset": "A b", "on": ["x"]}]},
            "/steps/0/dataset",
        ),
        (
            {"steps": [{"step": "cast", "columns": {"a": "number"}}]},
            "/steps/0/columns/a",
        ),
        (
            {"steps": [{"step": "aggregate", "measures": ["men(x)"]}]},
            "/steps/0/measures/0",
        ),
        ({"checks": [{"check": "range", "column": "x"}]}, "/checks/0"),
        (
            {"checks": [{"check": "unique", "column": "x", "severity": "no"}]},
            "/checks/0/severity",
        ),
        ({"steps": [{"step": "sort", "by": ["x"]}] * 201}, "/steps"),
        ({"steps": {}}, "/steps"),
        ({"stepz": []}, "/stepz"),
    ],
)
async def test_a_recipe_that_is_written_wrong_is_refused_with_a_pointer(
    client, body, pointer
):
    answer = await client.put("/api/recipes/wrong", json=body)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await client.get("/api/recipes/wrong")).status_code == 404


async def test_an_expression_error_points_at_the_character(client):
    steps = [{"step": "filter", "where": "a = 1 AND AND"}]
    answer = (await client.put("/api/recipes/r", json={"steps": steps})).json()
    assert answer["errors"][0]["pointer"] == "/steps/0/where"
    assert answer["position"] == 11


async def test_a_check_that_fails_makes_no_version_and_says_how_many(
    client, people, run_jobs
):
    check = {"check": "not_null", "column": "email", "severity": "fail"}
    await client.put("/api/recipes/strict", json={"checks": [check]})
    body = {"recipe": "strict", "output": "strict-people"}
    job = await client.post("/api/datasets/people/runs", json=body)
    await run_jobs()
    done = (await client.get(job.headers["location"])).json()
    assert done["state"] == "failed"
    assert done["error"]["errors"][0]["pointer"] == "/checks/0"
    assert "1 rows break not_null" in done["error"]["detail"]
    assert (await client.get("/api/datasets/strict-people")).status_code == 404


async def test_if_match_guards_a_recipe(client):
    made = await client.put("/api/recipes/clean", json=CLEAN)
    tag = {"If-Match": made.headers["etag"]}
    assert (
        await client.put("/api/recipes/clean", json=CLEAN, headers=tag)
    ).status_code == 200
    for method in ("PUT", "DELETE", "PATCH"):
        body = {} if method == "DELETE" else {"json": {"description": "x"}}
        answer = await client.request(method, "/api/recipes/clean", headers=tag, **body)
        assert answer.status_code == 412, method
    assert (await client.delete("/api/recipes/clean")).status_code == 204


async def test_recipes_are_their_owners_until_they_are_shared(sign_in, client):
    await client.put("/api/recipes/clean", json=CLEAN)
    other = await sign_in("editor")
    assert (await other.get("/api/recipes/clean")).status_code == 404
    assert (await other.get("/api/recipes")).json()["items"] == []
    assert (await other.put("/api/recipes/clean", json=CLEAN)).status_code == 409
    shared = {"visibility": "everyone"}
    assert (await client.patch("/api/recipes/clean", json=shared)).status_code == 200
    assert (await other.get("/api/recipes/clean")).status_code == 200
    assert (await other.put("/api/recipes/clean", json=CLEAN)).status_code == 403
    viewer = await sign_in("viewer")
    assert (await viewer.get("/api/recipes/clean")).status_code == 200
    assert (await viewer.put("/api/recipes/mine", json=CLEAN)).status_code == 403


async def test_a_join_reads_only_what_its_caller_may_read(sign_in, client, run_jobs):
    await add(client, run_jobs, "secret", "id,salary\n1,10\n")
    other = await sign_in("editor")
    await add(other, run_jobs, "mine", "id\n1\n")
    steps = [{"step": "join", "dataset": "secret", "on": ["id"]}]
    await other.put("/api/recipes/spy", json={"steps": steps})
    for params in ({}, {"dry_run": True}):
        answer = await other.post(
            "/api/datasets/mine/runs", json={"recipe": "spy"}, params=params
        )
        assert answer.status_code == 404


async def test_a_recipe_follows_new_versions_by_itself(client, people, run_jobs):
    await client.put("/api/recipes/clean", json=CLEAN)
    body = {"recipe": "clean", "output": "tidy", "automatic": True}
    await client.post("/api/datasets/people/runs", json=body)
    await run_jobs()
    path = "/api/datasets/people/versions"
    await add(client, run_jobs, "", "id,name,email\n9,Zed,Z@X.ORG\n", path)
    found = (await client.get("/api/datasets/tidy")).json()
    assert (found["version"], found["rows"]) == (2, 1)
    assert found["lineage"]["dataset_version"] == 2
    listed = (await client.get("/api/datasets/people/runs")).json()["items"]
    assert [(r["recipe"], r["output"]) for r in listed] == [("clean", "tidy")]
    stop = "/api/datasets/people/runs/clean"
    assert (await client.delete(stop)).status_code == 204
    assert (await client.delete(stop)).status_code == 404
    await add(client, run_jobs, "", PEOPLE, path)
    assert (await client.get("/api/datasets/tidy")).json()["version"] == 2


async def test_automatic_runs_cannot_go_round(client, people, run_jobs):
    await client.put("/api/recipes/clean", json=CLEAN)
    body = {"recipe": "clean", "automatic": True}
    answer = await client.post("/api/datasets/people/runs", json=body)
    assert answer.status_code == 409
    await client.post("/api/datasets/people/runs", json={**body, "output": "b"})
    await run_jobs()
    back = await client.post("/api/datasets/b/runs", json={**body, "output": "people"})
    assert back.status_code == 409
    assert back.json()["type"].endswith("/recipe-cycle")


async def test_the_task_can_be_enqueued_and_checks_what_it_names(
    client, people, run_jobs
):
    await client.put("/api/recipes/clean", json=CLEAN)
    args = {"recipe": "clean", "dataset": "people", "output": "by-task"}
    job = await client.post("/api/jobs", json={"task": "recipes.run", "args": args})
    assert job.status_code == 202
    await run_jobs()
    assert (await client.get("/api/datasets/by-task")).json()["recipe"] == "clean"
    for change in ({"recipe": "none"}, {"dataset": "none"}, {"version": 9}):
        body = {"task": "recipes.run", "args": {**args, **change}}
        assert (await client.post("/api/jobs", json=body)).status_code == 404
