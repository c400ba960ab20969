"""The smallest workbook that holds rows, as no library here writes one."""

import datetime as dt
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

ZERO = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - sheets have no zone

_TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"""
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELS = f"""<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>"""
_BOOK_RELS = f"""<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="r2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>"""
_BOOK = f"""<?xml version="1.0"?><workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">
<sheets><sheet name="{{}}" sheetId="1" r:id="r1"/></sheets></workbook>"""
_STYLES = f"""<?xml version="1.0"?><styleSheet xmlns="{_MAIN}"><cellXfs count="2">
<xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>"""


def write_xlsx(path: Path, rows: Sequence[Sequence[object]], sheet: str = "Sheet1", first: int = 1) -> Path:
    """Write `rows` from line `first` on; datetimes become dates of the sheet."""
    lines = []
    for number, row in enumerate(rows, first):
        cells = "".join(
            _cell(f"{chr(65 + at)}{number}", value) for at, value in enumerate(row) if value is not None
        )
        lines.append(f'<row r="{number}">{cells}</row>')
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", _TYPES)
        book.writestr("_rels/.rels", _RELS)
        book.writestr("xl/workbook.xml", _BOOK.format(sheet))
        book.writestr("xl/_rels/workbook.xml.rels", _BOOK_RELS)
        book.writestr("xl/styles.xml", _STYLES)
        book.writestr(
            "xl/worksheets/sheet1.xml",
            f'<?xml version="1.0"?><worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>',
        )
    return path


def _cell(name: str, value: object) -> str:
    if isinstance(value, dt.datetime):
        return f'<c r="{name}" s="1"><v>{(value - ZERO) / dt.timedelta(days=1)!r}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{name}"><v>{value!r}</v></c>'
    return f'<c r="{name}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'
