"""Names of the attributes that say how a result was made; one list, for all who write or read them."""

PROVENANCE = (
    "reference_date",
    "weight_func",
    "mask_dataset",
    "mask_threshold",
    "min_redundancy",
    "min_norm",
    "solver",
    "dtype",
    "skip_reference",
    "drop_unreferenced",
    "water_mask",
    "n_pair",
    "observation",
    "Conventions",
    "fringefleet_version",
)
