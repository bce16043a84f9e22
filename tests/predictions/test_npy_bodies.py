"""Arrays in NumPy's own format: read within limits, equal to the bit both ways."""

import io
import pickle
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from foretell.models.ports import Outputs
from foretell.models.signature import InputField, OutputField, Signature
from foretell.predictions.decoding import RowDecoder
from foretell.predictions.errors import RowsInvalid
from foretell.predictions.npy_bodies import read_array, read_npy, write_npy

FLOATS = [InputField("a", "float", nullable=True), InputField("b", "float")]
MIXED = [
    InputField("n", "integer"),
    InputField("t", "text"),
    InputField("y", "boolean"),
    InputField("c", "integer", values=[1, 2], closed=True),
]


def npy(array: Any, **how: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), **how)
    return stream.getvalue()


def signature(fields: list[InputField]) -> Signature:
    return Signature(fields, [OutputField("prediction", "float")])


def faults(fields: list[InputField], body: bytes) -> list[tuple[str, str]]:
    with pytest.raises(RowsInvalid) as caught:
        read_npy(signature(fields), body)
    return [(error.pointer, error.code) for error in caught.value.errors]


_DTYPES = st.one_of(
    arrays.integer_dtypes(endianness="?"),
    arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
    arrays.boolean_dtypes(),
    arrays.unicode_string_dtypes(min_len=1, endianness="?"),
)
_SHAPES = arrays.array_shapes(max_dims=2, max_side=5, min_side=0)


@given(
    array=arrays.arrays(_DTYPES, _SHAPES),
    is_fortran=st.booleans(),
    version=st.sampled_from([None, (1, 0), (2, 0)]),
)
def test_an_array_is_read_as_it_was_written(array, is_fortran, version):
    order = np.asfortranarray if is_fortran else np.ascontiguousarray
    found = read_array(npy(order(array), version=version))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


@given(
    cells=arrays.arrays(
        st.sampled_from([np.float64, np.float32, np.int64]),
        st.tuples(st.integers(0, 6), st.just(2)),
    )
)
def test_a_body_is_what_the_same_json_is(cells):
    """Refused alike, or the same values to the last bit."""
    rows = [[None if v != v else v for v in row] for row in cells.tolist()]
    body = orjson.dumps({"columns": ["a", "b"], "data": rows})
    if not np.isfinite(cells[:, 1]).all() or np.isinf(cells[:, 0]).any():
        assert faults(FLOATS, npy(cells))
        return
    wanted = RowDecoder(signature(FLOATS)).decode(body)
    table = read_npy(signature(FLOATS), npy(cells))
    assert len(table) == len(wanted)
    for place, name in enumerate(("a", "b")):
        found = np.asarray(table.batch[name])
        expected = np.array([row[place] for row in wanted], np.float64)
        assert found.dtype == np.float64
        assert found.tobytes() == expected.tobytes() or np.isnan(expected).any()
        assert np.array_equal(found, expected, equal_nan=True)


def test_a_structured_array_has_a_type_for_each_column():
    dtype = [("t", "U9"), ("c", ">i2"), ("y", "?"), ("n", "f4")]
    given = np.array([("ß", 2, True, 5), ("", 1, False, -7)], dtype)
    table = read_npy(signature(MIXED), npy(given))
    batch = {name: list(values) for name, values in table.batch.items()}
    assert batch == {"n": [5, -7], "t": ["ß", ""], "y": [True, False], "c": [2, 1]}
    assert np.asarray(table.batch["n"]).dtype == np.int64


def test_one_row_may_stand_alone():
    assert len(read_npy(signature(FLOATS), npy(np.array([1.0, 2.0])))) == 1
    record = np.array((5, "x", True, 1), "i8,U3,?,i8")
    record.dtype.names = ("n", "t", "y", "c")
    assert len(read_npy(signature(MIXED), npy(record))) == 1


def header(descr: str, shape: str, data: bytes = b"") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    padded = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


PICKLED = pickle.dumps(np.array([1, "a"], object))
ENORMOUS = header("'<f8'", "(1000000000000, 2)")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not an array",
        b"\x93NUMPY\x09\x00" + npy(np.zeros(2))[8:],
        npy(np.zeros((2, 2)))[:40],
        npy(np.zeros((2, 2)))[:-1],
        npy(np.zeros((2, 2))) + b"\0",
        npy(np.array([[1, "a"]], object), allow_pickle=True),
        header("'|O'", "(1, 2)", PICKLED),
        header("[('a', 'O'), ('b', '<f8')]", "(1,)", PICKLED),
        npy(np.array([[1j, 2j]])),
        npy(np.array([["2026-01-01", "2026-01-02"]], "M8[D]")),
        npy(np.array([[b"a", b"b"]])),
        npy(np.zeros((1, 2), np.longdouble)),
        header("'<U0'", "(1000000000000, 2)"),
        header("'|V0'", "(1000000000000, 2)"),
        header("[('a', '<f8', (2,)), ('b', '<f8')]", "(0,)"),
        ENORMOUS,
        header("'<f8'", "(-1, 2)"),
        header("'<f8'", "(-1, -2)", b"\0" * 16),
        header("'<f8'", "(0, 99999999999999999999)"),
        header("__import__('os')", "(1, 2)"),
        header("'<f8'", "(" * 5_000),
        header("'" + "x" * 60_000 + "'", "(1, 2)"),
        header("-" * 9_000 + "1", "(1, 2)"),
        header("[" * 4_000 + "]" * 4_000, "(1, 2)"),
        header("{}", "(1, 2)"),
        header("[()]", "(1, 2)"),
        header("'<f8'", "(True, 2)"),
        header("'<f8'", "'12'"),
    ],
)
def test_what_is_no_plain_array_is_refused(body: bytes):
    (fault,) = faults(FLOATS, body)
    assert fault[0] == ""
    assert fault[1] in ("npy_invalid", "shape")


@pytest.mark.parametrize(
    ("fields", "array", "expected"),
    [
        (FLOATS, np.zeros((3, 3)), [("", "shape")]),
        (FLOATS, np.zeros(3), [("", "shape")]),
        (FLOATS, np.zeros((1, 2, 1)), [("", "shape")]),
        (FLOATS, np.array([["1", "2"]]), [("/columns/a", "float_type")] * 1),
        (FLOATS, np.array([[True, False]]), [("/columns/a", "float_type")]),
        (
            FLOATS,
            np.array([[np.nan, 1], [2, np.nan]]),
            [("/rows/1/b", "null_forbidden")],
        ),
        (FLOATS, np.array([[-np.inf, 1]]), [("/rows/0/a", "finite_number")]),
        (FLOATS, np.zeros(2, [("a", "f8"), ("x", "f8")]), [("/columns", "missing")]),
        (MIXED[:1], np.array([[2**63]], "u8"), [("/rows/0/n", "out_of_range")]),
        (MIXED[:1], np.array([[1e300]]), [("/rows/0/n", "out_of_range")]),
        (MIXED[:1], np.array([[1.5]]), [("/rows/0/n", "integer_type")]),
        (MIXED[1:2], np.array([["\ud800"]]), [("/rows/0/t", "text_surrogate")]),
        (MIXED[3:], np.array([[1], [3]]), [("/rows/1/c", "unknown_value")]),
    ],
)
def test_what_does_not_fit_is_named(fields, array, expected):
    found = faults(fields, npy(array))
    assert found[: len(expected)] == expected


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_code_beyond_all_characters_is_refused(order: str):
    codes = np.array([[0x110000]], f"{order}u4")
    found = faults(MIXED[1:2], npy(codes.view(f"{order}U1")))
    assert found == [("/columns/t", "text_type")]


def test_a_hundred_faults_at_most_are_told():
    assert len(faults(FLOATS, npy(np.full((1_000, 2), np.inf)))) == 100


@pytest.mark.parametrize(
    ("outputs", "fields", "name", "shape"),
    [
        ([0.1, 2.0], [OutputField("prediction", "float")], "prediction", (2,)),
        (["a", "ßb"], [OutputField("prediction", "text")], "prediction", (2,)),
        (
            [[1, 2]],
            [OutputField("prediction", "integer", size=2)],
            "prediction",
            (1, 2),
        ),
    ],
)
def test_an_output_is_written_as_numpy_reads_it(outputs, fields, name, shape):
    made = Outputs(np.array(outputs, object if "a" in outputs else None))
    found = np.load(io.BytesIO(write_npy(Signature([], fields), made, name)))
    assert (found.shape, found.tolist()) == (shape, outputs)
    empty = np.load(io.BytesIO(write_npy(Signature([], fields), None, name)))
    assert empty.shape == (0, *shape[1:])
    assert empty.dtype.kind == found.dtype.kind


def test_scores_are_a_row_each_and_one_decision_is_a_number():
    scores = np.array([[0.25, 0.75], [1.0, 0.0]])
    two = Signature([], [OutputField("probabilities", "float", values=["a", "b"])])
    one = Signature([], [OutputField("decision", "float")])
    for own, made in ((two, scores), (one, scores[:, :1])):
        body = write_npy(own, Outputs(np.zeros(2), made), own.outputs[0].name)
        found = np.load(io.BytesIO(body))
        assert found.tobytes() == made.tobytes()
        assert found.ndim == (2 if own is two else 1)
