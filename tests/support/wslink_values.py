"""Random values that both generations of wslink can say, and a comparison that knows NaN and the types."""

import math
import struct

LETTERS = "abcXYZ 0_.:/\\\"'{}[]\n\t\r\x00\x1f\x7fé€\u2028𝄞￿"


def random_text(source, longest=12):
    if source.random() < 0.05:
        return f"wslink_bin{source.randrange(10**9, 10**10)}"  # looks like a key, and is none
    return "".join(source.choice(LETTERS) for _ in range(source.randrange(longest)))


def random_number(source):
    kind = source.randrange(6)
    if kind == 0:
        return source.randrange(-(2**63), 2**64)
    if kind == 1:
        return source.choice((0, 1, -1, 127, 128, -32, -33, 255, 256, 2**31, -(2**31), 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)))
    if kind == 2:
        return source.choice((0.0, -0.0, 1.0, 1e22, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 0.1))
    if kind == 3:
        return struct.unpack("<d", source.randbytes(8))[0]
    return source.randrange(-1000, 1000)


def random_value(source, depth=4, largest=300):
    kind = source.randrange(9 if depth > 0 else 6)
    if kind == 0:
        return source.choice((None, True, False))
    if kind <= 2:
        return random_number(source)
    if kind <= 4:
        return random_text(source)
    if kind == 5:
        return source.randbytes(source.choice((0, 1, source.randrange(largest), source.randrange(largest))))
    if kind == 6:
        return {random_text(source): random_value(source, depth - 1, largest) for _ in range(source.randrange(5))}
    return [random_value(source, depth - 1, largest) for _ in range(source.randrange(6))]


def same(a, b):
    """Whether two values are the same, of the same types; NaN is itself, and 0.0 is not -0.0."""
    if isinstance(a, (bytes, bytearray)) and isinstance(b, (bytes, bytearray)):
        return bytes(a) == bytes(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b
