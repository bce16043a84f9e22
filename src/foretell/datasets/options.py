"""What a caller may say about a source file."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import from_json

from foretell.core.columns import ColumnType
from foretell.errors import FieldError, Invalid
from foretell.tabular.messages import ImportOptions

Format = Literal[
    "csv", "tsv", "json", "ndjson", "xlsx", "xlsb", "xls", "ods", "parquet", "arrow"
]
SheetIndex = Annotated[int, Field(strict=True, ge=0, le=10_000)]
_PLAIN = re.compile(r"[^\r\n\x00\x80-\U0010ffff]")


class OptionsInvalid(Invalid):
    """`options` is not a JSON object of import options."""

    slug = "import-options-invalid"


class Options(BaseModel):
    """How to read a source file; what is not said is found out.

    `header` is true, false or the line (from 1) that holds the column names; cells
    of a column in `types` that do not fit put their row among the rejects; a file
    without the `required` columns is refused, whatever letter case it writes them in;
    `sheet` is the name of a workbook's sheet, or its place from 0; `member` the file of
    a ZIP archive; a workbook with macros is refused unless `macros` is `ignore`.
    """

    model_config = ConfigDict(extra="forbid")

    format: Format | None = None
    member: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=3)
    quote: str | None = Field(None, max_length=1)
    encoding: str | None = Field(None, max_length=40)
    header: bool | int | None = None
    skip: int = Field(0, ge=0, le=1_000_000)
    sheet: Annotated[str, Field(max_length=255)] | SheetIndex | None = None
    types: dict[str, ColumnType] = Field(default_factory=dict, max_length=10_000)
    nulls: list[str] | None = Field(None, max_length=100)
    date_format: dict[str, str] = Field(default_factory=dict, max_length=10_000)
    decimal: Literal[".", ","] | None = None
    required: list[Annotated[str, Field(min_length=1, max_length=1000)]] = Field(
        default_factory=list, max_length=1_000
    )
    macros: Literal["refuse", "ignore"] | None = None

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_ascii(cls, value: str | None) -> str | None:
        if value and value not in ("tab", "\\t") and not _PLAIN.fullmatch(value):
            raise ValueError("must be one ASCII character")
        return value

    @field_validator("header")
    @classmethod
    def _counts_from_one(cls, value: bool | int | None) -> bool | int | None:
        if value is not None and not isinstance(value, bool) and value < 1:
            raise ValueError("counts lines from 1")
        return value

    def for_reader(self) -> ImportOptions:
        """The same in the words of the reader."""
        values: dict[str, Any] = self.model_dump(mode="python")
        values["types"] = {name: str(type_) for name, type_ in self.types.items()}
        if values["format"] == "tsv":
            values["format"] = "csv"
            values["delimiter"] = values["delimiter"] or "\t"
        return ImportOptions(**values)


def parse_options(text: str | bytes | None) -> Options:
    """Read the `options` of an upload.

    Raises:
        OptionsInvalid: With a pointer below `/options` for each wrong field.
    """
    if not text:
        return Options()
    try:
        given = from_json(text)
    except ValueError as error:
        raise OptionsInvalid("options is not JSON.") from error
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        fields = [
            FieldError(
                "/options" + "".join(f"/{part}" for part in item["loc"]),
                str(item["msg"]).removeprefix("Value error, "),
                str(item["type"]),
            )
            for item in error.errors(include_input=False)
        ]
        raise OptionsInvalid("options has wrong fields.", errors=fields) from None
