"""What a cell's text looks like: the coarse classes used to judge a sample.

The exact rules by which a whole column gets its type are in `column_types`; these
only help to choose a delimiter and to tell a header from data.
"""

import re

NULL_TOKENS = frozenset(
    ("NA", "N/A", "n/a", "na", "null", "NULL", "Null", "NaN", "nan", "NAN", "-")
)
_NUMBER = re.compile(
    r"[+-]?(\d+([.,]\d+)?|\d{1,3}([,.' ]\d{3})+([.,]\d+)?|\.\d+)([eE][+-]?\d+)?\s*%?"
    r"|[+-]?inf(inity)?",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})( \d{1,2}:\d{2}.*)?"
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{4}"
)
_BOOLEAN = frozenset(("true", "false", "TRUE", "FALSE", "True", "False"))


def cell_class(cell: str) -> str:
    """Return `empty`, `number`, `date`, `boolean` or `text`."""
    cell = cell.strip(" ")
    if not cell or cell in NULL_TOKENS:
        return "empty"
    if len(cell) > 64:
        return "text"
    if _NUMBER.fullmatch(cell):
        return "number"
    if _DATE.fullmatch(cell):
        return "date"
    return "boolean" if cell in _BOOLEAN else "text"
