"""What no database stores is known."""

import pytest

from foretell.core.texts import has_surrogate, is_storable


@pytest.mark.parametrize(
    ("text", "surrogate", "storable"),
    [
        ("", False, True),
        ("plain", False, True),
        ("ß İ 😀", False, True),
        ("a\x00b", False, False),
        ("é\x00", False, False),
        ("\ud83d", True, False),
        ("a\udfff", True, False),
    ],
)
def test_texts_that_no_database_stores(
    text: str, surrogate: bool, storable: bool
) -> None:
    assert has_surrogate(text) is surrogate
    assert is_storable(text) is storable
