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
)

FUNCTIONS = {function.name: function for function in _TABLE}

ALIASES = {"substring": "substr", "ceiling": "ceil"}
