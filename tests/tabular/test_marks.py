"""Two ways to find the records of a block agree on all of them."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretell.tabular.bit_marks import BitMarks, find_marks
from foretell.tabular.lenient import Dialect
from foretell.tabular.marks import Marks

BUFFERS = st.one_of(
    st.text(st.sampled_from(list('ab,"\n\r')), min_size=1, max_size=40),
    # Longer than a word of 64 bits, mostly well-formed.
    st.lists(
        st.sampled_from(
            ['"a,b"', "c", '"d\ne"', ",", "\n", "\r\n", '""', "x" * 30, '"']
        ),
        min_size=1,
        max_size=60,
    ).map("".join),
)
DIALECTS = st.builds(
    Dialect,
    delimiter=st.just(","),
    quote=st.sampled_from(['"', ""]),
    line_end=st.sampled_from(["\n", "\r"]),
)


@given(
    text=BUFFERS,
    dialect=DIALECTS,
    at_end=st.booleans(),
    cell_bytes=st.sampled_from([3, 70, 1000]),
)
@example(text='"a\n' * 40, dialect=Dialect(), at_end=False, cell_bytes=70)
@settings(max_examples=500, deadline=None)
def test_bits_and_arrays_find_the_same_records(text, dialect, at_end, cell_bytes):
    buffer = text.encode()
    quick = find_marks(buffer, dialect, at_end, cell_bytes)
    exact = Marks(buffer, dialect, at_end, cell_bytes)
    assert isinstance(quick, BitMarks)
    starts, ends, used = exact.records()
    found = quick.records()
    assert [found[0].tolist(), found[1].tolist()] == [starts.tolist(), ends.tolist()]
    assert found[2] == used
    assert list(quick.faulty_starts) == list(exact.faulty_starts)
    assert (
        quick.is_blank(starts, ends).tolist() == exact.is_blank(starts, ends).tolist()
    )
    assert quick.lines_before(starts).tolist() == exact.lines_before(starts).tolist()
    cells = zip(
        starts.tolist(),
        quick.cells_per_record(ends).tolist(),
        exact.cells_per_record(ends).tolist(),
        strict=True,
    )
    for start, mine, theirs in cells:
        assert mine == theirs or start in quick.faulty_starts
