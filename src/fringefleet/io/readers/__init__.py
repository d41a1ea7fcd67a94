"""Readers of stacks, one module per format; none of them converts files.

To add a format, write a module with a ``READER`` and add it to the list. Its ``find_evidence`` returns
evidence that a path is of this format and of no other (:mod:`fringefleet.io.recognise`). Its ``open`` finds
the files of every pair, makes a :class:`~fringefleet.io.readers.pair_images.Layer` of each image, and lets
:func:`~fringefleet.io.readers.assemble.assemble` check and combine them. The stack has

- ``unwrapped_phase`` [rad] such that ``-wavelength / (4 pi)`` times it is the displacement of the second date
  relative to the first, positive towards the satellite; the docstring gives the reason, with a source;
- ``coherence`` from 0 to 1, ``connected_component`` 0 outside all components; missing pixels NaN (0 in
integers);
- attributes with MintPy's names, as MintPy's ``prep_*`` sets them, where the files contain them.

Libraries that are slow to import are imported when a file is opened.
"""

from fringefleet.io.readers import aria, dolphin, gmtsar, gunw, hyp3, isce, licsar
from fringefleet.io.readers.base import Reader as Reader
from fringefleet.io.readers.single_file import MINTPY, NETCDF, ZARR

READERS: tuple[Reader, ...] = (  # in the order in which they are asked and listed
    ZARR,
    NETCDF,
    MINTPY,
    aria.READER,
    gunw.READER,
    dolphin.READER,
    gmtsar.READER,
    hyp3.READER,
    isce.READER,
    licsar.READER,
)
