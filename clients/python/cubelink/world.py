"""Between the server's coordinates and astropy's. Each function imports astropy itself: the rest of the package does without."""

import re
import warnings
from typing import TYPE_CHECKING, Any, Dict, Tuple

import numpy

from .needs import needs
from .types import Array

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity, UnitBase


def unit(text: str) -> "UnitBase":
    """FITS's unit; what astropy does not know stays as its text. "Jy/beam.km/s" is read from left to right, Jy km / (beam s); astropy's own reader
    divides by all that follows the first slash."""
    needs("astropy", "a unit")
    from astropy import units

    if text.count("/") > 1 and not re.search(r"[()]|[0-9]\.|\.[0-9]", text):
        first, *rest = re.split(r"([/.])", re.sub(r"\s+", ".", text.strip()))
        whole = unit(first)
        for sign, factor in zip(rest[::2], rest[1::2]):
            whole = whole / unit(factor) if sign == "/" else whole * unit(factor)
        return whole
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)  # of spellings that FITS discourages
        try:
            return units.Unit(text.strip(), format="fits", parse_strict="raise")
        except ValueError:
            return units.Unit(text.strip(), parse_strict="silent")


def hertz(frequency: Any) -> float:
    """A number, or a Quantity, in Hz."""
    return float(frequency.to_value("Hz", equivalencies=_spectral()) if hasattr(frequency, "to_value") else frequency)


def _spectral() -> Any:
    from astropy import units

    return units.spectral()


def spectral_axis(answer: Dict[str, Any]) -> "Quantity":
    values = answer["values"]
    array = numpy.frombuffer(values, "<f8").copy() if isinstance(values, bytes) else numpy.array(values, float)
    return array * unit(answer["unit"])


def degree() -> "UnitBase":
    from astropy import units

    return units.deg


def spectral_kind(value: "Quantity") -> str:
    """The kind of spectral axis that a Quantity is on."""
    kinds = {"frequency": "frequency", "length": "wavelength", "speed": "velocity_radio"}
    for physical, kind in kinds.items():
        if physical in value.unit.physical_type:
            return kind
    raise ValueError(f"{value} is no frequency, wavelength or velocity")


def channels_between(axis: "Quantity", low: "Quantity", high: "Quantity") -> Tuple[int, int]:
    """(from, to) of the channels with coordinates from the one to the other, whichever is larger."""
    values = axis.value
    ends = sorted((float(low.to_value(axis.unit)), float(high.to_value(axis.unit))))
    rounding = 1e-6 * abs(values[-1] - values[0]) / max(1, len(values) - 1)  # ends that were read off the axis belong to it
    inside = numpy.flatnonzero((values >= ends[0] - rounding) & (values <= ends[1] + rounding))
    if not len(inside):
        raise ValueError(f"no channel lies between {low} and {high}: the axis is from {axis[0]:g} to {axis[-1]:g}")
    return int(inside[0]), int(inside[-1]) + 1


def sky(points: Any, shape: Tuple[int, ...]) -> "SkyCoord":
    """ICRS positions [[ra, dec], …] in degrees."""
    needs("astropy", "a SkyCoord")
    from astropy.coordinates import SkyCoord

    array = numpy.asarray(points, float)
    return SkyCoord(array[:, 0].reshape(shape), array[:, 1].reshape(shape), unit="deg", frame="icrs")


def icrs_degrees(position: "SkyCoord") -> Array:
    """(n, 2) of right ascension and declination."""
    icrs = position.icrs
    return numpy.column_stack([numpy.ravel(icrs.ra.deg), numpy.ravel(icrs.dec.deg)])
