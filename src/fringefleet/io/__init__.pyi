from .checks.required import required_looks as required_looks
from .checks.required import required_pixel_size as required_pixel_size
from .checks.required import required_wavelength as required_wavelength
from .convert import convert_stack as convert_stack
from .masking import mask_result as mask_result
from .medians import unmasked_medians as unmasked_medians
from .mintpy.geometry import geometry_from_attributes as geometry_from_attributes
from .mintpy.geometry import read_geometry as read_geometry
from .mintpy.maps import read_average_coherence as read_average_coherence
from .mintpy.maps import read_water_mask as read_water_mask
from .reference import locate_reference_point as locate_reference_point
from .reference import read_reference_values as read_reference_values
from .reference import unreferenced_pairs as unreferenced_pairs
from .stack import open_stack as open_stack
from .stack import stack_network as stack_network
from .writers.export import export_result as export_result

__all__ = [
    "convert_stack",
    "export_result",
    "geometry_from_attributes",
    "locate_reference_point",
    "mask_result",
    "open_stack",
    "read_average_coherence",
    "read_geometry",
    "read_reference_values",
    "read_water_mask",
    "required_looks",
    "required_pixel_size",
    "required_wavelength",
    "stack_network",
    "unmasked_medians",
    "unreferenced_pairs",
]
