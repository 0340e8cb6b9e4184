"""The server's lists as astropy tables."""

from typing import TYPE_CHECKING, Any, Dict

if TYPE_CHECKING:
    from astropy.table import Table


def file_table(listing: Dict[str, Any]) -> "Table":
    """FILE_LIST_RESPONSE's files: a row each."""
    from astropy.table import Table

    columns = {"name": str, "type": str, "size": "i8", "date": "i8"}
    rows = [[file[key] for key in columns] + [", ".join(file["HDU_list"])] for file in listing["files"]]
    table = Table(rows=rows or None, names=[*columns, "hdus"], dtype=[*columns.values(), str])
    table["size"].unit, table["date"].unit = "byte", "s"
    return table
