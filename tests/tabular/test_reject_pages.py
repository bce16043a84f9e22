"""Rejects read back as the API shows them."""

import orjson

from foretell.tabular.reject_pages import rejects_page


def test_rejects_come_by_position_with_their_errors_as_json(import_bytes):
    text = "x,y\n1,a\nb,c\n2\n" + "z,z\n" * 5
    found = import_bytes(text, types={"x": "integer"})
    path = found.folder / found.result.rejects_file.file
    first = orjson.loads(rejects_page(path, limit=2))
    assert [reject["line"] for reject in first] == [3, 4]
    assert first[0]["errors"] == [
        {"column": "x", "code": "invalid_integer", "reason": "'b' is no integer."}
    ]
    assert first[1]["errors"] == []
    later = orjson.loads(rejects_page(path, start=2, limit=100))
    assert [reject["line"] for reject in later] == [5, 6, 7, 8, 9]
    assert rejects_page(path, start=99) == b"[]"
