"""The server's lists as astropy tables."""

import asyncio
import random
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

import numpy

from .connection import Connection
from .errors import FAILED, CallError
from .listening import Publications
from .needs import needs
from .world import unit

if TYPE_CHECKING:
    from astropy.table import Table

COLUMN_TYPES = {"Uint8": "u1", "Int8": "i1", "Uint16": "<u2", "Int16": "<i2", "Uint32": "<u4", "Int32": "<i4", "Uint64": "<u8", "Int64": "<i8",
                "Float": "<f4", "Double": "<f8", "Bool": "?"}  # fmt: skip
DATA, ERRORS = "carta.catalog.filter.response", "carta.error.data"


def file_table(listing: Dict[str, Any]) -> "Table":
    """FILE_LIST_RESPONSE's files: a row each."""
    needs("astropy", "a table of files")
    from astropy.table import Table
    from astropy.time import Time

    columns = {"name": str, "type": str, "size": "i8", "date": "f8"}
    table = Table(rows=[[file[key] for key in columns] for file in listing["files"]] or None, names=list(columns), dtype=list(columns.values()))
    table["size"].unit = "byte"
    dates = Time(table["date"].data, format="unix")
    dates.format, dates.precision = "isot", 0
    table["date"] = dates
    return table


async def read_catalog(client: Connection, path: str, filters: Sequence[Dict[str, Any]], sort: str, rows: Optional[int], timeout: Optional[float]) -> "Table":
    """Opens a catalogue, takes its rows and closes it."""
    needs("astropy", "read_catalog()")
    directory, _, name = path.rpartition("/")
    for topic in (DATA, ERRORS):
        await client._make_sure_of(topic)
    used = {catalog["file_id"] for catalog in (await client.call("session.state")).get("catalogs", [])}
    file_id = max(used, default=0) + 1 + random.randrange(1 << 20)  # not one that another connection takes at the same time
    answer = await client.call("carta.open.catalog.file", {"directory": directory, "name": name, "file_id": file_id})
    try:
        headers = [header for header in answer["headers"] if header["data_type"] in COLUMN_TYPES or header["data_type"] == "String"]
        request = {"file_id": file_id, "column_indices": [header["column_index"] for header in headers], "filter_configs": list(filters), "sort_column": sort,
                   "subset_data_size": answer["data_size"] if rows is None else min(rows, answer["data_size"])}  # fmt: skip
        with client.listen(DATA, ERRORS) as queue:
            await client.call("carta.catalog.filter.request", request)
            pieces = await asyncio.wait_for(_rows(queue, file_id), timeout)
    finally:
        if client.connected:
            await client.call("carta.close.catalog.file", {"file_id": file_id})
    return _table(headers, pieces)


async def _rows(queue: Publications, file_id: int) -> List[Dict[str, Any]]:
    """The columns of each message until the last one, by index."""
    pieces: List[Dict[str, Any]] = []
    trouble = ""
    while True:
        topic, message = await queue.get()
        if topic == ERRORS:
            trouble = message["message"]
        elif message["file_id"] == file_id:
            if message["columns"]:
                pieces.append(message["columns"])
            elif trouble:
                raise CallError({"code": FAILED, "message": trouble}, "carta.catalog.filter.request")
            if message["progress"] == 1:
                return pieces


def _table(headers: List[Dict[str, Any]], pieces: List[Dict[str, Any]]) -> "Table":
    from astropy.table import Column, Table

    table = Table()
    for header in headers:
        kind, index = header["data_type"], str(header["column_index"])
        if kind == "String":
            data: Any = numpy.array([text for piece in pieces for text in piece[index]["string_data"]], dtype=str)
        else:
            data = numpy.frombuffer(b"".join(piece[index]["binary_data"] for piece in pieces), COLUMN_TYPES[kind])
        table[header["name"]] = Column(data, unit=unit(header["units"]) if header["units"] else None, description=header["description"])
    return table
