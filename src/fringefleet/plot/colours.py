"""Colours of classes in pictures, told apart under the common deficiencies of colour vision, too.

Any two of a set differ by 10 or more in CIEDE2000 and in CAM02-UCS, for normal vision, protanopia,
deuteranopia and tritanopia. Motion has the colours of :mod:`fringefleet.products.appearance`.

References
----------
Machado, Oliveira and Fernandes 2009 (doi:10.1109/TVCG.2009.113): simulation of colour vision deficiency.
Okabe and Ito 2008: Color Universal Design.
"""

from collections.abc import Mapping

from fringefleet.status import Status

NO_DATA = "0.7"
UNKNOWN = "0.6"  # of a pair without a value
BARS = "#3f5e8c"  # of a histogram
WARNING = "#d55e00"
CATEGORIES = ("#2080bf", "#df6000", "#00bf80", "#bf809f", "#60409f", "#404040")
STATUS_COLOURS: Mapping[Status, str] = {
    Status.OK: "#609f80",
    Status.MINIMUM_NORM: "#ffbf40",
    Status.NO_OBSERVATION: "#666666",
    Status.MASKED: "#406080",
    Status.TOO_FEW_PAIRS: "#bf4040",
    Status.REFERENCE_POINT: "#111111",
    Status.LINEAR: "#bf8020",
    Status.NOT_GAP_FILLED: "#9f60bf",
    Status.NOT_CONVERGED: "#ff80df",
    Status.FAILED_TILE: "#f4f4f4",
}
STAGE_COLOURS = {
    "read": "#0080bf",
    "copy": "#804080",
    "solve": "#206040",
    "write": "#bf6020",
    "wait": "#808080",
}
