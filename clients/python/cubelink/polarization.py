"""The polarizations of an image by their names. Pure functions."""

from typing import Any, Dict, List, Mapping, Union

FITS = {1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR", -5: "XX", -6: "YY", -7: "XY", -8: "YX"}
COMPUTED = {"Ptotal": 13, "Plinear": 14, "PFtotal": 15, "PFlinear": 16, "Pangle": 17}  # the ICD's, of I, Q, U and V


def names(info: Mapping[str, Any]) -> List[str]:
    """Of the planes along the stokes axis; none if the file has no such axis. "" is one that FITS does not know."""
    number = (info.get("axes_numbers") or {}).get("stokes", 0)
    if number < 1:
        return []
    cards: Dict[str, float] = {card["name"]: card["numeric_value"] for card in info.get("header_entries", [])}
    value, pixel, step = (cards.get(f"{key}{number}", other) for key, other in (("CRVAL", 0.0), ("CRPIX", 0.0), ("CDELT", 1.0)))
    return [FITS.get(round(value + (index + 1 - pixel) * step), "") for index in range(info["stokes"])]


def index(stokes: Union[int, str], known: List[str]) -> int:
    """Of a polarization that is given by its name, or by its index already."""
    if not isinstance(stokes, str):
        return stokes
    if stokes not in known:
        raise ValueError(f"the image has no polarization {stokes!r}" + (f", but {', '.join(filter(None, known))}" if known else ""))
    return known.index(stokes)
