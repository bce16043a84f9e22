"""Write the reference page of the language from the table of functions.

`python -m foretell.expressions.reference > docs/reference/expressions.md` renews the
page; a test compares the two.
"""

import sys

from foretell.expressions.check import MAX_EXPANDED_SIZE
from foretell.expressions.functions import ALIASES, FUNCTIONS, Function, Parameter
from foretell.expressions.parser import MAX_DEPTH, MAX_NODES
from foretell.expressions.tokens import KEYWORDS, MAX_CHARACTERS

_LANGUAGE = f"""\
# Expressions

One small language, close to SQL, serves `where` of datasets, recipe steps and feature
sets. An expression gives the same value for a whole table and for a single row.

## Writing them

| what | how |
| --- | --- |
| column | `age`; exactly as it is called, letter case included |
| other column names | `"Sepal Length"`, with `""` for a quote; also for the words below |
| text | `'Zoë'`, with `''` for a quote |
| number | `3`, `-0.5`, `1e6`; an integer beyond 64 bits is a decimal of at most 38 digits |
| date and time | `DATE '2024-02-29'`, `TIME '08:30'`, `TIMESTAMP '2024-02-29T08:30:00Z'` |
| truth, null | `TRUE`, `FALSE`, `NULL` |
| arithmetic | `+ - * / %`, `-x` |
| joining texts | `a \\|\\| b` |
| comparison | `= <> < <= > >=` (also `!=`, `==`) |
| conditions | `AND`, `OR`, `NOT` |
| one of several | `x IN (1, 2)`, `x NOT IN (1, 2)` |
| range, ends included | `x BETWEEN 1 AND 9`, `x NOT BETWEEN 1 AND 9` |
| pattern | `name LIKE 'A%_'`, `NOT LIKE`, `LIKE '50!%' ESCAPE '!'` |
| null test | `x IS NULL`, `x IS NOT NULL` |
| choice | `CASE WHEN x > 1 THEN 'a' ELSE 'b' END`, `CASE x WHEN 1 THEN 'a' END` |

Words and functions may be written in any case: {", ".join(sorted(KEYWORDS)).upper()}.

From weak to strong: `OR`; `AND`; `NOT`; comparisons, `IN`, `BETWEEN`, `LIKE`,
`IS NULL` (they do not follow one another without brackets); `||`; `+ -`; `* / %`;
minus sign.

At most {MAX_CHARACTERS:,} characters, {MAX_NODES} parts and {MAX_DEPTH} levels of brackets, calls,
`CASE`, `NOT` and minus signs. `BETWEEN`, `IN`, `CASE x` and `nullif` use their first
operand several times; written out in full, an expression has at most
{MAX_EXPANDED_SIZE:,} parts. A refusal names the character where the fault is (`position`).

## What they mean

- **Null** follows SQL: a comparison or an operation with null is null; `FALSE AND NULL`
  is false, `TRUE OR NULL` true. A row is kept, and a `WHEN` taken, only if the condition
  is true. `x NOT IN (1, NULL)` is never true.
- **Nothing fails for a single row.** What has no value is null: division by zero (also
  of floats), and an integer that leaves 64 bits. `/` always gives a float: `7 / 2` is 3.5.
- **%** takes integers; the sign is that of the divisor: `-7 % 3` is 2.
- **Integer and float** together are computed and compared as floats, so integers beyond
  2^53 are rounded there. Integers among themselves are exact.
- **Decimals** are compared exactly with each other, with integers and with numbers
  written out (`price = 0.1`); arithmetic and functions take them as floats.
- **NaN** equals itself and is larger than every number, as in PostgreSQL. `0.0` and
  `-0.0` are equal.
- **Text** is compared by code point, with no regard to language; `LIKE` too respects
  letter case (`lower(name) LIKE 'a%'` does not). `%` in a pattern stands for any text,
  `_` for one character.
- **Dates and times.** A text written out beside a date, time or timestamp is read as
  one: `day >= '2024-01-01'`. Beside a date, a text with a time of day makes both
  timestamps. A timestamp with a zone is taken in UTC, one without is in UTC already.
- **Types are checked** before anything runs: a text is never compared with a number.

## Functions

A function is null where an argument is null, unless it says otherwise.
"""


def reference_page() -> str:
    """Give the reference page in Markdown."""
    functions = "\n".join(_function(FUNCTIONS[name]) for name in sorted(FUNCTIONS))
    return f"{_LANGUAGE}\n{functions}"


def _function(function: Function) -> str:
    text, value = function.example
    parameters = "; ".join(_parameter(each) for each in function.parameters)
    lines = [
        f"### `{function.signature}`",
        "",
        f"{function.summary}",
        "",
        f"- Takes {parameters}. Gives {function.result or 'the type of its arguments'}.",
        f"- Example: `{text}` is {_shown(value)}.",
    ]
    others = [alias for alias, name in ALIASES.items() if name == function.name]
    if others:
        lines.append(f"- Also called {', '.join(f'`{name}`' for name in others)}.")
    return "\n".join([*lines, ""])


def _parameter(parameter: Parameter) -> str:
    types = " or ".join(parameter.types)
    if len(parameter.types) > 2:
        types = "any type but binary, list and struct"
    return f"`{parameter.name}` ({types})"


def _shown(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return f"`'{value}'`"
    return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
