"""Walks over pages by random orders, while new versions of the dataset land."""

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.served import unique, upload

COLUMNS = ("id", "small", "text", "x")
SIZE = 40


def table(seed):
    """A CSV of few different values, many nulls, and `id` to tell rows apart."""
    draw = random.Random(seed)  # noqa: S311
    rows = [
        [
            str(n),
            draw.choice(["", "1", "2"]),
            draw.choice(["", "a", "B", "é", "🙂"]),
            draw.choice(["", "-1.5", "0.5", "2.25"]),
        ]
        for n in range(SIZE)
    ]
    return rows, ",".join(COLUMNS) + "\n" + "".join(",".join(r) + "\n" for r in rows)


KEYS = st.lists(
    st.tuples(st.sampled_from(COLUMNS), st.booleans()),
    max_size=3,
    unique_by=lambda key: key[0],
)


def read(name, cell):
    return cell if name == "text" else float(cell or 0)


def expected(rows, keys):
    """Ids in the public order: nulls last both ways, ties by row."""
    numbers = list(range(len(rows)))
    for name, is_down in reversed(keys):
        place = COLUMNS.index(name)
        known = [n for n in numbers if rows[n][place]]
        # A reversed sort keeps ties in their order, too.
        known.sort(
            key=[read(name, row[place]) for row in rows].__getitem__, reverse=is_down
        )
        numbers = known + [n for n in numbers if not rows[n][place]]
    return numbers


@pytest.fixture(scope="module")
def moving(callers):
    name, (rows, text) = unique("moving"), table(1)
    assert upload(callers.editor, name, text).status_code == 201
    return name, rows


@pytest.mark.slow
def test_a_walk_gives_every_row_once_in_order_whatever_lands_meanwhile(callers, moving):
    name, rows = moving
    path, landed = f"/api/datasets/{name}/versions", itertools.count(2)

    @given(keys=KEYS, limit=st.integers(3, 17), lands=st.booleans())
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def walk(keys, limit, lands):
        sort = ",".join(("-" if down else "") + column for column, down in keys)
        params = {"limit": limit, "version": 1} | ({"sort": sort} if sort else {})
        url = f"/api/datasets/{name}/rows"
        pages = [callers.editor.get(url, params=params).json()]
        if lands and next(landed) < 8:
            upload(callers.editor, name, table(limit)[1], path=path)
        while cursor := pages[-1]["next"]:
            assert len(pages) <= SIZE
            ask = {"limit": limit, "cursor": cursor}
            pages.append(callers.editor.get(url, params=ask).json())
        order = expected(rows, keys)
        assert [row["id"] for page in pages for row in page["items"]] == order
        back: list[int] = []
        page = pages[-1]
        while cursor := page["prev"]:
            ask = {"limit": limit, "cursor": cursor}
            page = callers.editor.get(url, params=ask).json()
            back = [row["id"] for row in page["items"]] + back
        assert back == order[: SIZE - len(pages[-1]["items"])]

    walk()
