"""Where a table starts when its top is not clean, and what a damaged record means."""

import pytest

from foretell.tabular.errors import HeaderWidth
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


def test_a_file_of_damaged_lines_still_has_columns(import_bytes):
    found = import_bytes('"c0":"c1"\n"":""\n')
    assert found.frame.width == 1
    assert found.result.rows + found.result.rejects == found.result.records


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Day,Travel,,,Total,By\n,Air,Rail,Taxi,,\na,1,2,3,6,x\nb,,,1,1,y\nc,1,,,1,z\n",
         ["Day", "Travel Air", "Travel Rail", "Travel Taxi", "Total", "By"]),
        ("a,,b,\nX,Y,X,Y\n1.5,2.5,1.5,3\n2.5,3.5,4,1.5\n" + "3.5,1,4,1.5\n" * 5,
         ["a X", "a Y", "b X", "b Y"]),
    ],
)  # fmt: skip
def test_the_name_of_a_group_goes_for_all_of_its_columns(import_bytes, text, names):
    found = import_bytes(text)
    assert found.frame.columns == names
    assert found.frame["a X" if "a X" in names else "Day"].is_not_null().all()


def test_a_row_of_texts_below_an_open_name_stays_a_row(import_bytes):
    found = import_bytes("name,,city\nAnn,x,Bern\nBob,y,Rome\nCem,z,Oslo\nDan,w,Nice\n")
    assert found.frame.columns == ["name", "column_2", "city"]
    assert found.result.rows == 4


def test_comments_above_a_table_are_left_out(import_bytes):
    found = import_bytes(f"#FILE: ,a.dat\n#TYPE: ,ASCII\n#id,name,x,day\n{BODY}")
    assert found.frame.columns == ["#id", "name", "x", "day"]
    assert (found.result.rows, found.result.rejects) == (8, 0)


def test_a_title_above_two_columns_is_told_by_the_blank_row_below_it(import_bytes):
    found = import_bytes("Spending of May,\n,\nname,amount\nFees,9.75\nRent,7.5\n")
    assert (found.frame.columns, found.result.rows) == (["name", "amount"], 2)


def test_rows_that_r_has_named_keep_their_cells_below_the_right_names(import_bytes):
    rows = "".join(f'"row {n}";"{n}";"{n / 2}"\n' for n in range(1, 6))
    found = import_bytes(f'"id";"x"\n{rows}')
    assert found.frame.columns == ["column_1", "id", "x"]
    assert found.frame["id"].to_list() == [1, 2, 3, 4, 5]
    assert "row_names" in found.findings


@pytest.mark.parametrize("quote", ["", '"'])
def test_rows_with_a_cell_too_many_are_never_shifted(import_bytes, quote):
    def line(*cells: str) -> str:
        return ",".join(f"{quote}{cell}{quote}" for cell in cells) + "\n"

    rows = [line(str(n), f"name {n}", f"n{n}@x.org", "paris") for n in range(5)]
    with pytest.raises(HeaderWidth):
        import_bytes(line("id", "name", "email") + "".join(rows))


def test_apostrophes_are_quotes_where_they_stand_around_cells(import_bytes):
    rows = "".join(f"{n},'di{n}.wav','a, b'\n" for n in range(9))
    found = import_bytes("n,file,text\n" + rows)
    assert found.frame.rows()[1] == (1, "di1.wav", "a, b")


def test_a_last_cell_of_blanks_is_no_cell_too_many(import_bytes):
    found = import_bytes('"id";"x"\n"1";"2";"\n"\n')
    assert (found.result.rows, found.result.rejects) == (1, 0)
    assert found.frame.columns == ["id", "x"]


def test_a_damaged_record_is_kept_aside_with_the_row_it_may_mean(import_bytes):
    found = import_bytes(f'id,name,x,day\n{BODY}9;"a, b";1.5;2024-01-09\n')
    assert [r["code"] for r in found.rejects] == ["too_few_cells"]
    assert found.rejects[0]["suggestion"] == '9,"a, b",1.5,2024-01-09'


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
