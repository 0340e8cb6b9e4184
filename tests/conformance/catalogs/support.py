"""What the tests of catalogs share: tables made by astropy, and what the server sends of them as arrays."""

import sys
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "images"))
from harness import PATIENCE, ServerTest, connect, until  # noqa: E402,F401

ROWS = "carta.catalog.filter.response"
TYPES = {"Uint8": "u1", "Int8": "i1", "Uint16": "<u2", "Int16": "<i2", "Uint32": "<u4", "Int32": "<i4", "Uint64": "<u8", "Int64": "<i8", "Float": "<f4", "Double": "<f8", "Bool": "?"}


def values(column):
    """Of a ColumnData: an array, or a list of texts."""
    if column["data_type"] == "String":
        return column["string_data"]
    return numpy.frombuffer(column["binary_data"], TYPES[column["data_type"]])


async def open_catalog(client, name, file_id=1, preview=50, directory=""):
    ack = await client.call("carta.open.catalog.file", {"directory": directory, "name": name, "file_id": file_id, "preview_data_size": preview}, timeout=PATIENCE)
    assert ack["success"], ack["message"]
    return ack


async def rows_of(client, file_id, columns, start=0, size=1 << 30, **more):
    """({column index: values}, the last message); checks that the chunks follow each other."""
    request = {"file_id": file_id, "column_indices": columns, "subset_start_index": start, "subset_data_size": size, **more}
    client.published.pop(ROWS, None)
    assert await client.call("carta.catalog.filter.request", request, timeout=PATIENCE) is None
    found, at, progress = {}, None, -1
    while True:
        message = await client.next(ROWS, lambda m: m["file_id"] == file_id, PATIENCE)
        assert message["progress"] > progress and message["subset_data_size"] <= 100_000, message["progress"]
        progress = message["progress"]
        if at is not None:
            assert message["subset_end_index"] == at + message["subset_data_size"], "chunks do not follow each other"
        at = message["subset_end_index"]
        for index, column in message["columns"].items():
            part = values(column)
            assert len(part) == message["subset_data_size"]
            found.setdefault(int(index), []).append(part)
        if progress == 1:
            break
    joined = {index: numpy.concatenate(parts) if isinstance(parts[0], numpy.ndarray) else sum(map(list, parts), []) for index, parts in found.items()}
    return joined, message
