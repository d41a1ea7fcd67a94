"""Agreement of a pixel's pairs with its series: temporal coherence (phases only), residual, pair count."""

from fringefleet.products.base import MAP, MapStyle, Product, ResultVariable

_RESIDUAL_OF_OFFSETS = {"units": "pixel", "long_name": "root mean square residual offset"}

TEMPORAL_COHERENCE = Product(
    variables={
        "temporal_coherence": ResultVariable(
            "f4",
            MAP,
            {"units": "1", "long_name": "temporal coherence"},
            at_reference=lambda _: 1,
            style=MapStyle("viridis", "0 to 1"),
        )
    },
    applies=lambda options: not options.is_offset,
    compute=lambda batch: {"temporal_coherence": batch.temporal_coherence},
)

FIT = Product(
    variables={
        "residual_rms": ResultVariable(
            "f4",
            MAP,
            {"units": "rad", "long_name": "root mean square residual phase"},
            attrs_of_offsets=dict.fromkeys(("range_offset", "azimuth_offset"), _RESIDUAL_OF_OFFSETS),
            style=MapStyle("magma_r", "from 0", title="RMS residual"),
        ),
        "pair_count": ResultVariable(
            "u4",
            MAP,
            {"units": "1", "long_name": "number of interferograms used"},
            at_reference=lambda network: network.n_pair,
            style=MapStyle("cividis", "robust", title="Pairs used"),
        ),
    },
    compute=lambda batch: {"residual_rms": batch.residual_rms, "pair_count": batch.pair_count},
)
