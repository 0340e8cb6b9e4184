"""What Image.statistics() gives."""

from typing import TYPE_CHECKING, Any, Dict, List, Tuple, Union

from . import world
from .needs import needs

if TYPE_CHECKING:
    from astropy.units import Quantity, UnitBase

WITHOUT_UNIT = ("NumPixels", "NanCount")


def statistic_unit(name: str, pixels: str) -> "UnitBase":
    """The unit of a statistic of pixels with that unit."""
    needs("astropy", "a unit")
    from astropy import units

    if name in WITHOUT_UNIT:
        return units.dimensionless_unscaled
    if name == "FluxDensity":  # the pixels' values times their areas, in the unit of area that the pixels' unit has
        areas = [units.beam, units.pix, units.arcsec**2, units.sr]
        flux = [world.unit(pixels) * area for area in areas]
        return next((unit for unit in flux if unit.is_equivalent(units.Jy) and len(unit.bases) == 1), world.unit(pixels) * units.arcsec**2)
    return world.unit(pixels) ** 2 if name == "SumSq" else world.unit(pixels)


class Statistics(Dict[str, Any]):
    """Values by their names, numbers in the unit of the pixels; of positions (MinPos, MaxPos, …) [x, y] or [x, y, channel], or None. Attributes:

    percentiles  the values of the percentiles that were asked for, in their order
    channels     (from, to), `to` not included
    stokes       the index, or the name of a computed polarization
    """

    def __init__(self, answer: Dict[str, Any]) -> None:
        super().__init__(answer["statistics"])
        self.percentiles: List[float] = list(answer["percentiles"])
        self.channels: Tuple[int, int] = (answer["channels"][0], answer["channels"][1])
        self.stokes: Union[int, str] = answer["stokes"]
        self._unit: str = answer["unit"]

    @property
    def unit(self) -> "UnitBase":
        """Of the pixels, as an astropy unit."""
        return world.unit(self._unit)

    def quantity(self, name: str) -> "Quantity":
        """A value with its unit: that of the pixels, as a rule; of SumSq the square; of FluxDensity Jy, if the pixels are in Jy/beam for example, or K arcsec2."""
        if not isinstance(self[name], (int, float)):
            raise TypeError(f"{name} is a position, no quantity")
        return self[name] * statistic_unit(name, self._unit)
