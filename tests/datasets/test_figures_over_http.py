"""Counts, groups, profiles and differences of versions as a user sees them."""

import pytest

from tests.served import unique, upload

SALES = (
    "id,country,Sepal Length,price,day\n"
    "1,CH,1.5,10,2024-01-05\n"
    "2,CH,2.5,20,2024-02-05\n"
    "3,DE,,30,2024-01-09\n"
    "4,,4.5,,2023-01-01\n"
)


@pytest.fixture(scope="module")
def sales(callers):
    name = unique("sales")
    assert upload(callers.editor, name, SALES).status_code == 201
    return name


def aggregate(client, name, **params):
    return client.get(f"/api/datasets/{name}/aggregate", params=params)


def test_groups_have_figures_under_the_names_that_were_asked_for(callers, sales):
    answer = aggregate(
        callers.editor, sales, by="country", measures="count,mean(price),sum(id)"
    )
    assert answer.json() == {
        "items": [
            {"country": "CH", "count": 2, "mean(price)": 15.0, "sum(id)": 3},
            {"country": "DE", "count": 1, "mean(price)": 30.0, "sum(id)": 3},
            {"country": None, "count": 1, "mean(price)": None, "sum(id)": 4},
        ],
        "groups": 3,
    }
    assert "read;dur=" in answer.headers["server-timing"]


def test_groups_are_filtered_sorted_and_cut(callers, sales):
    answer = aggregate(
        callers.editor,
        sales,
        by="country",
        measures="count",
        where="price >= 10",
        sort="count,-country",
        limit=1,
    )
    assert answer.json() == {"items": [{"country": "DE", "count": 1}], "groups": 2}


def test_expressions_and_quoted_columns_are_grouped_and_measured(callers, sales):
    answer = aggregate(
        callers.editor,
        sales,
        by="year(day)",
        measures='max("Sepal Length"), quantile(price, 0.5), sum(price * id), min(day)',
        sort="-year(day)",
    )
    assert answer.json()["items"] == [
        {
            "year(day)": 2024,
            'max("Sepal Length")': 2.5,
            "quantile(price, 0.5)": 20.0,
            "sum(price * id)": 140,
            "min(day)": "2024-01-05",
        },
        {
            "year(day)": 2023,
            'max("Sepal Length")': 4.5,
            "quantile(price, 0.5)": None,
            "sum(price * id)": None,
            "min(day)": "2023-01-01",
        },
    ]


def test_without_keys_all_rows_are_one_group(callers, sales):
    answer = aggregate(
        callers.editor, sales, measures="count,count(price),distinct(id)"
    )
    row = {"count": 4, "count(price)": 3, "distinct(id)": 4}
    assert answer.json() == {"items": [row], "groups": 1}
    none = aggregate(callers.editor, sales, where="id > 99")
    assert none.json()["items"] == [{"count": 0}]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("by", "nope"),
        ("by", "country,,id"),
        ("by", "country,"),
        ("measures", "total(price)"),
        ("measures", "mean"),
        ("measures", "mean(nope)"),
        ("measures", "mean(country)"),
        ("measures", "quantile(price)"),
        ("measures", "quantile(price, 2)"),
        ("measures", "count,count"),
        ("measures", ",".join(["count"] * 21)),
        ("sort", "price"),
        ("sort", "-count,count"),
        ("where", "price +"),
        ("limit", "0"),
        ("limit", "10001"),
    ],
)
def test_what_is_wrong_with_an_aggregate_is_refused(callers, sales, parameter, value):
    answer = aggregate(callers.editor, sales, **{parameter: value})
    assert answer.status_code == 422, answer.text
    if parameter != "where":
        assert (
            answer.json().get("errors", [{}])[0].get("pointer", "").endswith(parameter)
        )


def test_a_count_that_runs_out_of_time_says_at_least(callers, sales):
    url = f"/api/datasets/{sales}/count"
    whole = callers.editor.get(url, params={"where": "id > 1"})
    assert whole.json() == {"count": 3, "exact": True}
    rushed = callers.editor.get(url, params={"where": "id > 2", "timeout_s": "1e-9"})
    assert rushed.json() == {"count": 0, "exact": False}
    assert "server-timing" in rushed.headers


def test_a_profile_tells_of_correlations_and_takes_a_condition(callers, sales):
    url = f"/api/datasets/{sales}/profile"
    found = callers.editor.get(url).json()["correlations"]
    assert found["columns"] == ["id", "Sepal Length", "price"]
    assert found["values"][0][2] == pytest.approx(1.0)
    narrowed = callers.editor.get(url, params={"where": "id = 1"}).json()
    assert narrowed["rows"] == 1
    assert narrowed["correlations"]["values"][0][0] is None


@pytest.fixture(scope="module")
def changed(callers):
    name = unique("changed")
    path = f"/api/datasets/{name}/versions"
    upload(callers.editor, name, "id,a,b\n1,x,1\n2,y,2\n3,z,3\n")
    upload(callers.editor, name, "id,a,c\n1,x,1\n2,Y,2\n4,w,4\n", path=path)
    upload(callers.editor, name, "id,a,c\n5,v,5\n", path=path, mode="append")
    return name


def diff(client, name, **params):
    return client.get(f"/api/datasets/{name}/diff", params=params)


def test_versions_are_compared_by_key(callers, changed):
    found = diff(callers.editor, changed, **{"from": 1, "to": 2, "key": "id"}).json()
    assert (found["dataset"], found["from"], found["to"]) == (changed, 1, 2)
    assert found["columns"] == {
        "added": [{"name": "c", "type": "integer"}],
        "removed": [{"name": "b", "type": "integer"}],
        "changed": [],
    }
    assert found["rows"] == {
        "from": 3,
        "to": 3,
        "added": 1,
        "removed": 1,
        "changed": 1,
        "unchanged": 1,
    }
    assert found["added"] == [{"id": 4, "a": "w", "c": 4}]
    assert found["removed"] == [{"id": 3, "a": "z", "b": 3}]
    assert found["changed"] == [
        {"key": {"id": 2}, "before": {"a": "y"}, "after": {"a": "Y"}}
    ]


def test_without_a_key_equal_rows_are_the_same(callers, changed):
    found = diff(callers.editor, changed).json()
    assert (found["from"], found["to"]) == (2, 3)
    assert (found["rows"]["added"], found["rows"]["unchanged"]) == (1, 3)
    assert found["added"] == [{"id": 5, "a": "v", "c": 5}]
    old = diff(callers.editor, changed, **{"from": 1, "to": 2}).json()["rows"]
    assert (old["added"], old["removed"], old["changed"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"from": 9}, 404),
        ({"to": 1}, 200),
        ({"from": 0}, 422),
        ({"key": "nope"}, 422),
        ({"from": 1, "to": 2, "key": "b"}, 422),
        ({"limit": 1001}, 422),
    ],
)
def test_what_can_be_compared_is_and_all_else_refused(callers, changed, params, status):
    assert diff(callers.editor, changed, **params).status_code == status


def test_a_key_that_tells_no_rows_apart_is_refused(callers):
    name = unique("twins")
    upload(callers.editor, name, "a,b\n1,2\n1,3\n")
    upload(callers.editor, name, "a,b\n1,2\n", path=f"/api/datasets/{name}/versions")
    answer = diff(callers.editor, name, key="a")
    assert answer.json()["type"].endswith("key-not-unique")


def profile(client, name, **params):
    answer = client.get(f"/api/datasets/{name}/profile", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_profile_made_by_an_import_is_the_one_of_its_rows(callers, sales):
    made, read = profile(callers.editor, sales), profile(
        callers.editor, sales, where="true"
    )
    assert made == read
    assert made["columns"][0]["distinct"] == 4


def test_a_version_that_shares_files_is_described_with_all_of_its_rows(callers):
    name = unique("grown")
    assert upload(callers.editor, name, SALES).status_code == 201
    answer = callers.editor.post(
        f"/api/datasets/{name}/versions?mode=append",
        content=b"id,country,Sepal Length,price,day\n5,FR,5.5,50,2024-03-01\n",
        headers={"Prefer": "wait=30"},
    )
    assert answer.status_code == 201, answer.text
    assert profile(callers.editor, name)["rows"] == 5
    assert profile(callers.editor, name, version=1)["rows"] == 4
