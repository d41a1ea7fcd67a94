"""Names that the numerics and the files share: one list each, for all who write or read them."""

from fringefleet.products.registry import PRODUCTS

# Attributes that say how a result was made.
PROVENANCE = (
    "reference_date",
    "weight_func",
    "mask_dataset",
    "mask_threshold",
    "min_redundancy",
    "norm",
    "gap_rule",
    "min_norm",
    "solver",
    "dtype",
    "skip_reference",
    "drop_unreferenced",
    "water_mask",
    "average_coherence",
    "n_pair",
    "observation",
    "Conventions",
    "fringefleet_version",
)
EXTRA_PROVENANCE = (  # where they apply
    "stack",
    "metres_per_pixel",
    "huber_threshold",
    *dict.fromkeys(name for product in PRODUCTS for name in product.attributes),
    "bridge",  # gap_rule, in results of earlier versions
)
