"""A first look at the tables of an OpenDocument spreadsheet (ODS).

All of them stand in one XML part, where a cell or a row may say that it is repeated:
a few bytes can mean a million rows of a thousand cells. The parser is told to take
no declarations, so there are no entities to expand.
"""

from collections.abc import Iterable
from xml.parsers import expat

from foretell.tabular.errors import DamagedFile
from foretell.tabular.sheet_scan import SheetScan

SPREADSHEET = "an OpenDocument spreadsheet (ODS)"
_CELLS = ("table:table-cell", "table:covered-table-cell")
_MOST_REPEATS = 1 << 24


def scan_tables(blocks: Iterable[bytes]) -> dict[str, SheetScan]:
    """Return what each table holds, by its name, in order.

    Raises:
        DamagedFile: The XML is damaged, or declares entities.
    """
    tables = _Tables()
    parser = expat.ParserCreate()
    parser.StartElementHandler = tables.start
    parser.EndElementHandler = tables.end
    parser.StartDoctypeDeclHandler = _refuse
    try:
        for block in blocks:
            tables.grow(len(block))
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError) as error:
        raise DamagedFile(SPREADSHEET, "its content is damaged.") from error
    return tables.found


def _refuse(*declared: object) -> None:
    raise DamagedFile(SPREADSHEET, "it declares entities.")


class _Tables:
    """Counts cells while the XML goes by."""

    def __init__(self) -> None:
        self.found: dict[str, SheetScan] = {}
        self._scan = SheetScan()
        self._row = self._row_repeats = 0
        self._column = self._width = self._filled = 0

    def grow(self, size: int) -> None:
        self._scan.bytes += size

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in _CELLS:
            repeats = _number(attributes, "table:number-columns-repeated")
            self._column += repeats
            if "office:value-type" in attributes:
                self._width = self._column
                self._filled += repeats
                self._scan.own_texts += repeats
        elif name == "table:table-row":
            self._row_repeats = _number(attributes, "table:number-rows-repeated")
            self._column = self._width = self._filled = 0
        elif name == "table:table":
            self._scan = SheetScan()
            self.found[attributes.get("table:name", "")] = self._scan
            self._row = 0

    def end(self, name: str) -> None:
        if name != "table:table-row":
            return
        scan = self._scan
        self._row += self._row_repeats
        if self._width:
            cells = self._filled * self._row_repeats
            scan.cells += cells
            scan.values += cells
            scan.rows += self._row_repeats
            scan.width = max(scan.width, self._width)
            scan.height = self._row


def _number(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "1")
    if not text.isdigit() or len(text) > 9:
        raise DamagedFile(
            SPREADSHEET, "a cell is repeated an impossible number of times."
        )
    return min(int(text), _MOST_REPEATS)
