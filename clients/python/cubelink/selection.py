"""What numpy's way of indexing asks of the server. Pure functions."""

import operator
from typing import Any, List, NamedTuple, Sequence, Tuple


class Selection(NamedTuple):
    ranges: List[range]  # one for each axis, ascending
    pick: Tuple[Any, ...]  # the index that makes numpy's result of the block of these ranges


def select(index: Any, shape: Sequence[int], names: Sequence[str]) -> Selection:
    """For `array[index]` on an array of that shape: whole numbers, slices, one Ellipsis, None (a new axis). Raises IndexError as numpy does, and
    TypeError for arrays and lists of indices, which the server does not know."""
    items = list(index) if isinstance(index, tuple) else [index]
    for item in items:
        if not (item is None or item is Ellipsis or isinstance(item, slice)):
            if isinstance(item, bool) or not hasattr(item, "__index__") or getattr(item, "ndim", None):
                raise TypeError(f"an image is indexed by whole numbers, slices, ... and None, not by {type(item).__name__}")
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError("only one ... may be in an index")
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(shape):
        raise IndexError(f"{used} indices for an image of {len(shape)} axes ({', '.join(names)})")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    at = next(place for place, item in enumerate(items) if item is Ellipsis)
    items[at : at + 1] = [slice(None)] * (len(shape) - used)
    ranges: List[range] = []
    result: List[Any] = []
    for item in items:
        if item is None:
            result.append(None)
            continue
        length, name = shape[len(ranges)], names[len(ranges)]
        if isinstance(item, slice):
            chosen = range(*item.indices(length))
            result.append(slice(None, None, -1 if chosen.step < 0 else 1))
            ranges.append(chosen[::-1] if chosen.step < 0 else chosen)
        else:
            number = operator.index(item)
            if not -length <= number < length:
                raise IndexError(f"{name} is {number}, the image has {length}")
            number %= length
            result.append(0)
            ranges.append(range(number, number + 1))
    return Selection(ranges, tuple(result))
