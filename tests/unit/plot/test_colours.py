"""Colours of pictures as people see them who lack one kind of cone."""

from itertools import combinations

import colorspacious
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from fringefleet.plot.colours import CATEGORIES, NO_DATA, STAGE_COLOURS, STATUS_COLOURS
from fringefleet.products.base import MOTION_COLOURS
from fringefleet.products.registry import all_variables
from fringefleet.status import Status

DEFICIENCIES = ("protanomaly", "deuteranomaly", "tritanomaly")
LEAST = 10  # difference of any two


def seen(colours, deficiency):
    """sRGB of colours as they are seen; with the deficiency complete."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    if deficiency is None:
        return rgb
    space = {"name": "sRGB1+CVD", "cvd_type": deficiency, "severity": 100}
    return np.clip(colorspacious.cspace_convert(rgb, space, "sRGB1"), 0, 1)


def differences(colours, deficiency):
    """CAM02-UCS and CIEDE2000 of all pairs of colours."""
    rgb = seen(colours, deficiency)
    uniform, lab = (colorspacious.cspace_convert(rgb, "sRGB1", space) for space in ("CAM02-UCS", "CIELab"))
    pairs = list(combinations(range(len(rgb)), 2))
    return np.array([(np.linalg.norm(uniform[i] - uniform[j]), ciede2000(lab[i], lab[j])) for i, j in pairs])


def ciede2000(one, other):
    """Colour difference of CIE 142-2001, as Sharma, Wu and Dalal 2005 write it."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = 0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = (
        *(1 - 0.17 * np.cos(np.radians(hm - 30)), 0.24 * np.cos(np.radians(2 * hm))),
        *(0.32 * np.cos(np.radians(3 * hm + 6)), -0.20 * np.cos(np.radians(4 * hm - 63))),
    )
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * sum(t)
    rc = 2 * np.sqrt(cm**7 / (cm**7 + 25**7))
    rt = -np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2)))) * rc
    return np.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh))


def test_the_measure_is_that_of_the_published_pairs():
    # Sharma, Wu and Dalal 2005, table 1, pairs 1, 7, 17 and 25
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((50, 0, 0), (50, -1, 2)) == pytest.approx(2.3669, abs=1e-4)
    assert ciede2000((50, 2.5, 0), (73, 25, -18)) == pytest.approx(27.1492, abs=1e-4)
    green = (60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)
    assert ciede2000(*green) == pytest.approx(1.2644, abs=1e-4)


SETS = {
    "status": (*STATUS_COLOURS.values(), NO_DATA),
    "categories": CATEGORIES,
    "stages": tuple(STAGE_COLOURS.values()),
    "away, none and towards": tuple(colormaps[MOTION_COLOURS]([0.0, 0.5, 1.0])),
}


@pytest.mark.parametrize("deficiency", [None, *DEFICIENCIES])
@pytest.mark.parametrize("name", SETS)
def test_any_two_colours_of_a_set_are_told_apart(name, deficiency):
    assert differences(SETS[name], deficiency).min() >= LEAST


def test_every_status_has_a_colour():
    assert set(STATUS_COLOURS) == set(Status)


# A map of phases has to end as it begins: twilight, the usual one, is 7 from the grey at the least.
MAPS = sorted({v.style.colours for v in all_variables().values() if v.style is not None} - {"twilight"})


@pytest.mark.parametrize("deficiency", [None, *DEFICIENCIES])
@pytest.mark.parametrize("name", MAPS)
def test_the_ends_of_a_scale_and_its_middle_are_told_apart_and_from_no_data(name, deficiency):
    places = [*colormaps[name]([0.0, 0.5, 1.0])]
    assert differences(places, deficiency).min() >= LEAST
    everywhere = [*colormaps[name](np.linspace(0, 1, 41))]
    least = 8 if name == "PRGn" else LEAST  # red and blue alone keep 10 for tritanopia
    assert min(differences([place, NO_DATA], deficiency)[0, 0] for place in everywhere) >= least
