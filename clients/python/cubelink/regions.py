"""Regions of the session, and those of astropy's package `regions`."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import numpy

from .needs import needs
from .statistics import statistic_unit
from .types import Array

if TYPE_CHECKING:
    from astropy.table import QTable

    from .image import Image
    from .statistics import Statistics

KINDS = ("POINT", "LINE", "POLYLINE", "RECTANGLE", "ELLIPSE", "POLYGON")
FORMATS = {"CRTF": "CRTF", "DS9": "DS9_REG"}


class Region:
    """A region of the session, made on an image. Attributes: `region_id`; `kind`, `points` (n, 2) and `rotation` (degrees) as set_region() has them."""

    def __init__(self, image: "Image", region_id: int, info: Dict[str, Any]) -> None:
        self.image, self.region_id = image, region_id
        self.kind: str = info["region_type"]
        self.points = numpy.array([[point["x"], point["y"]] for point in info["control_points"]], float).reshape(-1, 2)
        self.rotation: float = info["rotation"]

    def __repr__(self) -> str:
        return f"<cubelink.Region {self.region_id} {self.kind} {self.points.tolist()}>"

    async def spectrum(self, statistic: str = "Mean", stokes: str = "", timeout: float = 60) -> Array:
        """See Image.region_spectrum()."""
        return await self.image.region_spectrum(self.region_id, statistic, stokes, timeout)

    async def spectrum_table(self, statistic: str = "Mean", stokes: str = "", kind: str = "frequency", rest_freq: Any = None, timeout: float = 60) -> "QTable":
        """spectrum() as an astropy QTable with units: channel, the spectral coordinate (see Image.spectral_axis()), value."""
        needs("astropy", "spectrum_table()")
        return await self.image._table(await self.spectrum(statistic, stokes, timeout), statistic_unit(statistic, self.image._unit_text), kind, rest_freq)

    async def statistics(self, types: Optional[Sequence[str]] = None, channels: Any = None, stokes: Any = None,
                         percentiles: Sequence[float] = ()) -> "Statistics":
        """See Image.statistics()."""
        return await self.image.statistics(types, self.region_id, channels, stokes, percentiles)

    async def change(self, points: Any = None, rotation: Optional[float] = None) -> None:
        """Moves, resizes or turns it, for all who are in the session."""
        points = self.points if points is None else numpy.atleast_2d(numpy.asarray(points, float))
        rotation = self.rotation if rotation is None else float(rotation)
        await self.image.set_region(self.kind, points, rotation, self.region_id)
        self.points, self.rotation = points, rotation

    async def remove(self) -> None:
        """Removes it, for all who are in the session."""
        await self.image.remove_region(self.region_id)


def info(kind: str, points: Any, rotation: float) -> Dict[str, Any]:
    """The ICD's region_info."""
    kind = kind.upper()
    if kind not in KINDS and not kind.startswith("ANN"):  # annotations, which the ICD knows as well
        raise ValueError(f"there is no region {kind!r}, but {', '.join(KINDS)}")
    pairs = numpy.atleast_2d(numpy.asarray(points, float))
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError("a region's points are pairs [[x, y], …]")
    return {"region_type": kind, "control_points": [{"x": x, "y": y} for x, y in pairs.tolist()], "rotation": float(rotation)}


async def add(image: "Image", shape: Any, points: Any, rotation: float) -> Region:
    if not isinstance(shape, str):
        if hasattr(shape, "to_pixel"):
            shape = shape.to_pixel((await image.wcs()).celestial)
        shape, points, rotation = _of_astropy(shape)
    region_id = await image.set_region(shape, points, rotation)
    return Region(image, region_id, info(shape, points, rotation))


def _of_astropy(region: Any) -> Tuple[str, Any, float]:
    name = type(region).__name__
    turned = float(region.angle.to_value("deg")) if hasattr(region, "angle") else 0.0
    if name == "PointPixelRegion":
        return "POINT", [region.center.xy], 0
    if name == "LinePixelRegion":
        return "LINE", [region.start.xy, region.end.xy], 0
    if name == "CirclePixelRegion":
        return "ELLIPSE", [region.center.xy, (region.radius, region.radius)], 0
    if name == "EllipsePixelRegion":  # the ICD's first semi-axis lies along y
        return "ELLIPSE", [region.center.xy, (region.height / 2, region.width / 2)], turned
    if name == "RectanglePixelRegion":
        return "RECTANGLE", [region.center.xy, (region.width, region.height)], turned
    if name in ("PolygonPixelRegion", "RegularPolygonPixelRegion"):
        return "POLYGON", numpy.column_stack([region.vertices.x, region.vertices.y]), 0
    raise TypeError(f"a {name} has no counterpart: points, lines, circles, ellipses, rectangles and polygons have")


async def of_image(image: "Image") -> List[Region]:
    state = await image.client.call("session.state")
    return [Region(image, region["region_id"], region["region_info"]) for region in state["regions"] if region["file_id"] == image.file_id]


async def read(image: "Image", text: str) -> List[Region]:
    kind = FORMATS["CRTF" if text.lstrip().startswith("#CRTF") else "DS9"]
    answer = await image.client.call("carta.import.region", {"group_id": image.file_id, "type": kind, "contents": [text]})
    return [Region(image, int(region_id), region) for region_id, region in sorted(answer["regions"].items(), key=lambda item: int(item[0]))]


async def write(image: "Image", format: str, world: bool, chosen: Optional[Sequence[Region]]) -> str:
    format = format.upper()
    if format not in FORMATS:
        raise ValueError(f"there is no format {format!r}, but {', '.join(FORMATS)}")
    if chosen is None:
        ids = [region["region_id"] for region in (await image.client.call("session.state"))["regions"]]
    else:
        ids = [region.region_id for region in chosen]
    request = {"type": FORMATS[format], "coord_type": "WORLD" if world else "PIXEL", "file_id": image.file_id, "region_styles": {str(one): {} for one in ids}}
    return "".join((await image.client.call("carta.export.region", request))["contents"])
