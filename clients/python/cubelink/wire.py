"""wslink's second generation on the wire: msgpack maps cut into chunks, each with a header of 12 bytes.

Pure functions and small classes without a socket; not synchronised.
"""

import os
import struct
from typing import Any, Dict, Iterator, Optional, Union

import msgpack  # type: ignore[import]

HEADER = struct.Struct("<III")  # message id, offset, total size
FIRST_LIMIT = 512  # bytes that the server takes of a message before hello
FRAME_LIMIT = 4 * 1024 * 1024  # of a frame after hello, header included, until the server says otherwise
NOT_READABLE = (ValueError, msgpack.UnpackException)  # what feed() raises
MAX_MESSAGE = 2**32 - 1  # what the header can say


def pack(message: Dict[str, Any]) -> bytes:
    """One message as msgpack bytes. numpy scalars and arrays must have been turned into Python's own before."""
    packed: bytes = msgpack.packb(message, use_bin_type=True)
    return packed


def chunks(payload: bytes, frame_limit: int) -> Iterator[bytes]:
    """Cuts a packed message into frames of at most `frame_limit` bytes."""
    if len(payload) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(payload)} bytes is larger than wslink can carry")
    message_id = int.from_bytes(os.urandom(4), "little")
    step = frame_limit - HEADER.size
    view = memoryview(payload)
    for offset in range(0, len(payload), step):
        yield HEADER.pack(message_id, offset, len(payload)) + bytes(view[offset : offset + step])


class Assembler:
    """Puts chunks together; feed() gives a message when its last chunk is there, else None."""

    def __init__(self) -> None:
        self._unfinished: Dict[int, Dict[int, memoryview]] = {}

    def feed(self, frame: bytes) -> Optional[Dict[str, Any]]:
        message_id, offset, total = HEADER.unpack_from(frame)
        body = memoryview(frame)[HEADER.size :]
        if offset == 0 and len(body) == total:
            return _unpack(body)
        if offset + len(body) > total:
            raise ValueError("a chunk reaches beyond its message")
        pieces = self._unfinished.setdefault(message_id, {})
        pieces[offset] = body
        if sum(map(len, pieces.values())) < total:  # few pieces: each holds megabytes
            return None
        del self._unfinished[message_id]
        return _unpack(b"".join(pieces[at] for at in sorted(pieces)))


def _unpack(payload: Union[bytes, memoryview]) -> Dict[str, Any]:
    message: Dict[str, Any] = msgpack.unpackb(payload, raw=False, strict_map_key=False)
    return message
