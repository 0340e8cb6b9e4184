"""Types that annotations name."""

from typing import Any

import numpy.typing

Array = numpy.typing.NDArray[Any]  # what shape and type of values it has, the docstrings say
