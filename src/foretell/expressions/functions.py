"""The table of functions: what each takes and gives, and how the reference tells it.

Only what a caller sees stands here. How a function is computed stands in the two
compilers, which have an entry for each name (a test compares the three lists), and the
examples below run on both of them.
"""

from dataclasses import dataclass

from foretell.core.columns import ColumnType

TEXT = (ColumnType.TEXT,)
INTEGER = (ColumnType.INTEGER,)
NUMBER = (ColumnType.INTEGER, ColumnType.FLOAT)
"""A decimal is taken as a float."""
DAY = (ColumnType.DATE, ColumnType.TIMESTAMP)
ANY = (
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.DECIMAL,
    ColumnType.FLOAT,
    ColumnType.TEXT,
    ColumnType.DATE,
    ColumnType.TIME,
    ColumnType.TIMESTAMP,
    ColumnType.DURATION,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function.

    Attributes:
        types: What it takes; where a NULL is given, it is one of the first type.
        literal: It must be written out, not computed.
        minimum, maximum: Bounds of a literal integer.
    """

    name: str
    types: tuple[ColumnType, ...]
    literal: bool = False
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    Attributes:
        result: The type of the value; None means the common type of the arguments.
        optional: How many of the last parameters may be left out.
        repeated: The last parameter may be given any number of times, at least once.
        summary: What it gives, in one line.
        example: A text and the value it has.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: ColumnType | None
    summary: str
    example: tuple[str, object]
    optional: int = 0
    repeated: bool = False

    @property
    def fewest(self) -> int:
        return len(self.parameters) - self.optional

    @property
    def most(self) -> int | None:
        return None if self.repeated else len(self.parameters)

    def parameter(self, index: int) -> Parameter:
        return self.parameters[min(index, len(self.parameters) - 1)]

    @property
    def signature(self) -> str:
        required = [parameter.name for parameter in self.parameters[: self.fewest]]
        text = ", ".join(required) + (", …" if self.repeated else "")
        for parameter in self.parameters[self.fewest :]:
            text += f"[, {parameter.name}]"
        return f"{self.name}({text})"


CLOCK = (ColumnType.TIME, ColumnType.TIMESTAMP)
FLOAT = (ColumnType.FLOAT, ColumnType.INTEGER)
"""An integer is taken as a float."""

_text = Parameter("text", TEXT)
_number = Parameter("number", NUMBER)

_TABLE = (
    Function(
        "lower",
        (_text,),
        ColumnType.TEXT,
        "The text in lower case, by the full Unicode rules.",
        ("lower('ÀB')", "àb"),
    ),
    Function(
        "upper",
        (_text,),
        ColumnType.TEXT,
        "The text in upper case, by the full Unicode rules: ß becomes SS.",
        ("upper('Straße')", "STRASSE"),
    ),
    Function(
        "trim",
        (_text,),
        ColumnType.TEXT,
        "The text without white space (Unicode `White_Space`) at both ends.",
        ("trim('  a b ')", "a b"),
    ),
    Function(
        "length",
        (_text,),
        ColumnType.INTEGER,
        "The number of characters (Unicode code points).",
        ("length('Zoë')", 3),
    ),
    Function(
        "substr",
        (
            _text,
            Parameter("start", INTEGER, minimum=1),
            Parameter("length", INTEGER, minimum=0),
        ),
        ColumnType.TEXT,
        "The part that starts at the character `start`, counted from 1, and is at most "
        "`length` characters long. A start below 1 counts as 1, a length below 0 as 0.",
        ("substr('abcdef', 2, 3)", "bcd"),
        optional=1,
    ),
    Function(
        "replace",
        (
            _text,
            # polars fails where a computed replacement meets a constant text.
            Parameter("old", TEXT, literal=True),
            Parameter("new", TEXT, literal=True),
        ),
        ColumnType.TEXT,
        "The text with every `old` replaced by `new`; both are written out. Where `old` "
        "is empty, nothing is replaced.",
        ("replace('a-b-c', '-', '+')", "a+b+c"),
    ),
    Function(
        "concat",
        (_text,),
        ColumnType.TEXT,
        "The texts one after the other. A null counts as empty, so the value is never "
        "null; with `||` a null makes the whole null.",
        ("concat('a', NULL, 'b')", "ab"),
        repeated=True,
    ),
    Function(
        "contains",
        (_text, Parameter("part", TEXT)),
        ColumnType.BOOLEAN,
        "Whether `part` occurs in the text, letter case included.",
        ("contains('foretell', 'ret')", True),
    ),
    Function(
        "starts_with",
        (_text, Parameter("part", TEXT)),
        ColumnType.BOOLEAN,
        "Whether the text starts with `part`, letter case included.",
        ("starts_with('foretell', 'fore')", True),
    ),
    Function(
        "ends_with",
        (_text, Parameter("part", TEXT)),
        ColumnType.BOOLEAN,
        "Whether the text ends with `part`, letter case included.",
        ("ends_with('foretell', 'TELL')", False),
    ),
    Function(
        "abs",
        (_number,),
        None,
        "The number without its sign; null where that is no 64-bit integer.",
        ("abs(-3)", 3),
    ),
    Function(
        "round",
        (
            _number,
            Parameter("digits", INTEGER, literal=True, minimum=0, maximum=15),
        ),
        None,
        "The nearest number with `digits` decimals (0 if left out, at most 15, written "
        "out); a half goes away from zero. A float is multiplied by the power of ten, "
        "rounded, and divided by it.",
        ("round(-2.5)", -3.0),
        optional=1,
    ),
    Function(
        "floor",
        (_number,),
        None,
        "The largest whole number that is not above the number.",
        ("floor(-1.5)", -2.0),
    ),
    Function(
        "ceil",
        (_number,),
        None,
        "The smallest whole number that is not below the number.",
        ("ceil(1.2)", 2.0),
    ),
    Function(
        "coalesce",
        (Parameter("value", ANY),),
        None,
        "The first value that is not null, else null.",
        ("coalesce(NULL, 2, 3)", 2),
        repeated=True,
    ),
    Function(
        "nullif",
        (Parameter("value", ANY), Parameter("other", ANY)),
        None,
        "Null where the two are equal, else the first.",
        ("nullif('-', '-')", None),
    ),
    Function(
        "year",
        (Parameter("day", DAY),),
        ColumnType.INTEGER,
        "The year of a date or timestamp; a timestamp with a zone is taken in UTC.",
        ("year(DATE '2024-02-29')", 2024),
    ),
    Function(
        "month",
        (Parameter("day", DAY),),
        ColumnType.INTEGER,
        "The month of a date or timestamp, 1 to 12.",
        ("month(DATE '2024-02-29')", 2),
    ),
    Function(
        "day",
        (Parameter("day", DAY),),
        ColumnType.INTEGER,
        "The day of the month of a date or timestamp, 1 to 31.",
        ("day(DATE '2024-02-29')", 29),
    ),
    Function(
        "ltrim",
        (_text,),
        ColumnType.TEXT,
        "The text without white space at its start.",
        ("ltrim('  a ')", "a "),
    ),
    Function(
        "rtrim",
        (_text,),
        ColumnType.TEXT,
        "The text without white space at its end.",
        ("rtrim(' a  ')", " a"),
    ),
    Function(
        "left",
        (
            _text,
            Parameter("count", INTEGER),
        ),
        ColumnType.TEXT,
        "The first `count` characters; none where it is below 1.",
        ("left('abc', 2)", "ab"),
    ),
    Function(
        "right",
        (
            _text,
            Parameter("count", INTEGER),
        ),
        ColumnType.TEXT,
        "The last `count` characters; none where it is below 1.",
        ("right('abc', 2)", "bc"),
    ),
    Function(
        "lpad",
        (
            _text,
            Parameter("length", INTEGER, literal=True, minimum=0, maximum=1000),
            Parameter("fill", TEXT, literal=True),
        ),
        ColumnType.TEXT,
        "The text made `length` characters long by the one character `fill` in "
        "front; a longer one stays. Both are written out.",
        ("lpad('7', 3, '0')", "007"),
    ),
    Function(
        "rpad",
        (
            _text,
            Parameter("length", INTEGER, literal=True, minimum=0, maximum=1000),
            Parameter("fill", TEXT, literal=True),
        ),
        ColumnType.TEXT,
        "The same with `fill` behind.",
        ("rpad('ab', 4, '.')", "ab.."),
    ),
    Function(
        "split_part",
        (
            _text,
            Parameter("by", TEXT, literal=True),
            Parameter("number", INTEGER, literal=True, minimum=1, maximum=1000),
        ),
        ColumnType.TEXT,
        "The part of that number, counted from 1, of the text cut at every `by`; "
        "null where there are fewer. Both are written out, and `by` is not empty.",
        ("split_part('a-b-c', '-', 2)", "b"),
    ),
    Function(
        "to_integer",
        (_text,),
        ColumnType.INTEGER,
        "The whole number that the text is, white space around it aside; null "
        "where it is none, or leaves 64 bits.",
        ("to_integer(' 042 ')", 42),
    ),
    Function(
        "to_float",
        (_text,),
        ColumnType.FLOAT,
        "The finite number that the text is, white space around it aside; null "
        "where it is none.",
        ("to_float('1e3')", 1000.0),
    ),
    Function(
        "sqrt",
        (Parameter("number", FLOAT),),
        ColumnType.FLOAT,
        "The square root; NaN below 0.",
        ("sqrt(9)", 3.0),
    ),
    Function(
        "exp",
        (Parameter("number", FLOAT),),
        ColumnType.FLOAT,
        "e to the power of the number; infinite where that is too large.",
        ("exp(0)", 1.0),
    ),
    Function(
        "ln",
        (Parameter("number", FLOAT),),
        ColumnType.FLOAT,
        "The natural logarithm; NaN below 0, minus infinity of 0.",
        ("ln(1)", 0.0),
    ),
    Function(
        "greatest",
        (Parameter("value", ANY),),
        None,
        "The largest of the values; nulls are left out.",
        ("greatest(1, NULL, 3)", 3),
        repeated=True,
    ),
    Function(
        "least",
        (Parameter("value", ANY),),
        None,
        "The smallest of the values; nulls are left out.",
        ("least('b', 'a')", "a"),
        repeated=True,
    ),
    Function(
        "if",
        (
            Parameter("condition", (ColumnType.BOOLEAN,)),
            Parameter("value", ANY),
            Parameter("other", ANY),
        ),
        None,
        "The value where the condition is true, else (false or null) the other.",
        ("if(2 > 1, 'yes', 'no')", "yes"),
    ),
    Function(
        "hour",
        (Parameter("moment", CLOCK),),
        ColumnType.INTEGER,
        "The hour of a time or timestamp, 0 to 23; a timestamp with a zone is "
        "taken in UTC.",
        ("hour(TIME '08:30')", 8),
    ),
    Function(
        "minute",
        (Parameter("moment", CLOCK),),
        ColumnType.INTEGER,
        "The minute of a time or timestamp, 0 to 59.",
        ("minute(TIME '08:30')", 30),
    ),
    Function(
        "second",
        (Parameter("moment", CLOCK),),
        ColumnType.INTEGER,
        "The whole second of a time or timestamp, 0 to 59.",
        ("second(TIME '08:30:09.5')", 9),
    ),
    Function(
        "day_of_week",
        (Parameter("day", DAY),),
        ColumnType.INTEGER,
        "The day of the week, 1 (Monday) to 7 (Sunday).",
        ("day_of_week(DATE '2024-02-29')", 4),
    ),
    Function(
        "quarter",
        (Parameter("day", DAY),),
        ColumnType.INTEGER,
        "The quarter of the year, 1 to 4.",
        ("quarter(DATE '2024-02-29')", 1),
    ),
    Function(
        "day_of_year",
        (Parameter("day", DAY),),
        ColumnType.INTEGER,
        "The day of the year, 1 to 366.",
        ("day_of_year(DATE '2024-02-29')", 60),
    ),
    Function(
        "to_date",
        (Parameter("moment", (ColumnType.TIMESTAMP, ColumnType.DATE)),),
        ColumnType.DATE,
        "The day of a timestamp; one with a zone is taken in UTC.",
        ("day_of_week(to_date(TIMESTAMP '2024-02-29T23:59:59'))", 4),
    ),
    Function(
        "days_between",
        (
            Parameter("first", (ColumnType.DATE,)),
            Parameter("last", (ColumnType.DATE,)),
        ),
        ColumnType.INTEGER,
        "The days from the first date to the last; below 0 where that is earlier.",
        ("days_between(DATE '2024-02-28', DATE '2024-03-01')", 2),
    ),
)

WRITTEN_OUT = frozenset({"nullif", "left", "greatest", "least", "if"})
"""Functions that the checker writes with simpler ones; no compiler knows them."""

FUNCTIONS = {function.name: function for function in _TABLE}

ALIASES = {
    "substring": "substr",
    "ceiling": "ceil",
    "ifnull": "coalesce",
}
