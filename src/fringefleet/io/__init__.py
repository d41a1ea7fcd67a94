"""Input and output: files to xarray and back, without numerics. Start at :func:`open_stack`."""

from typing import TYPE_CHECKING

from fringefleet.importing import names_in

if TYPE_CHECKING:
    from fringefleet.io.checks.required import required_looks as required_looks
    from fringefleet.io.checks.required import required_pixel_size as required_pixel_size
    from fringefleet.io.checks.required import required_wavelength as required_wavelength
    from fringefleet.io.convert import convert_stack as convert_stack
    from fringefleet.io.medians import unmasked_medians as unmasked_medians
    from fringefleet.io.mintpy.geometry import geometry_from_attributes as geometry_from_attributes
    from fringefleet.io.mintpy.geometry import read_geometry as read_geometry
    from fringefleet.io.mintpy.maps import read_average_coherence as read_average_coherence
    from fringefleet.io.mintpy.maps import read_water_mask as read_water_mask
    from fringefleet.io.reference import locate_reference_point as locate_reference_point
    from fringefleet.io.reference import read_reference_values as read_reference_values
    from fringefleet.io.reference import unreferenced_pairs as unreferenced_pairs
    from fringefleet.io.stack import open_stack as open_stack
    from fringefleet.io.stack import stack_network as stack_network
    from fringefleet.io.writers.export import export_result as export_result

# Imported when first used: a worker writes a result, and needs none of the readers for that.
_HOMES = {
    "convert_stack": "convert",
    "export_result": "writers.export",
    "geometry_from_attributes": "mintpy.geometry",
    "locate_reference_point": "reference",
    "open_stack": "stack",
    "read_average_coherence": "mintpy.maps",
    "read_geometry": "mintpy.geometry",
    "read_reference_values": "reference",
    "read_water_mask": "mintpy.maps",
    "required_looks": "checks.required",
    "required_pixel_size": "checks.required",
    "required_wavelength": "checks.required",
    "stack_network": "stack",
    "unmasked_medians": "medians",
    "unreferenced_pairs": "reference",
}

__getattr__, __dir__ = names_in(__name__, _HOMES)
