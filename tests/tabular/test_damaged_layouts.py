"""Where a table starts when its top is not clean, and what a damaged record means."""

import pytest

from foretell.tabular.lenient import Dialect, mended

BODY = "".join(f"{n},name {n},{n / 4},2024-01-0{n}\n" for n in range(1, 9))


def test_a_title_filled_up_with_empty_cells_is_left_out(import_bytes):
    found = import_bytes(f"Sales,,,\n,,,\nid,name,x,day\n{BODY}")
    assert found.frame.columns == ["id", "name", "x", "day"]
    assert (found.result.rows, found.result.source.header) == (8, 3)
    assert "preamble" in found.findings


def test_several_rows_of_names_are_joined(import_bytes):
    found = import_bytes(f"id,name,x,day\nno,,kg,UTC\n{BODY}")
    assert found.frame.columns == ["id no", "name", "x kg", "day UTC"]
    assert (found.result.records, found.types["x kg"]) == (8, "float")
    assert "header_rows" in found.findings


def test_one_odd_cell_makes_no_second_header(import_bytes):
    found = import_bytes("id,name,x\n?,a,1.5\n2,b,2.5\n3,c,3\n4,d,4\n5,e,5\n6,f,6\n")
    assert (found.frame.columns, found.result.rows) == (["id", "name", "x"], 6)


def test_a_stray_quote_in_the_header_costs_no_names(import_bytes):
    found = import_bytes(f'id,"name,x,"day"\n{BODY}')
    assert found.frame.columns == ["id", '"name', "x", "day"]
    assert found.result.rows == 8


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('1,"a,b,"c, d"', ["1", '"a', "b", "c, d"]),
        ('1,""a, b",c,d', ["1", '"a, b', "c", "d"]),
        ("1;a;b;c", ["1", "a", "b", "c"]),
        ("1,a,b", ["1", "a", "b"]),
    ],
)
def test_a_damaged_record_is_read_as_it_is_likely_meant(text, cells):
    assert mended(text, Dialect(), 4) == cells
