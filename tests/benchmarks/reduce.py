"""Reduce the JSON of pytest-benchmark, a megabyte, to what a claim of speed needs: one record a case.

python tests/benchmarks/reduce.py all.json tests/benchmarks/results/solver-cpu.json
"""

import json
import sys
from pathlib import Path
from typing import Any


def reduce_report(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Keep the speed of every case, its ratio to the dense solver in the same run, and where it ran."""
    records = []
    for case in report["benchmarks"]:
        info, stats = case["extra_info"], case["stats"]
        records.append(
            {
                "name": case["name"],
                **info,
                "pixels_per_second_median": round(info["n_pixel"] / stats["median"]),
                "pixels_per_second_min": round(info["n_pixel"] / stats["max"]),
                "date": report["datetime"][:10],
            }
        )
    dense = {r["network"]: r["pixels_per_second_median"] for r in records if r["solver"] == "dense"}
    for record in records:
        if record["network"] in dense and record["solver"] in ("elimination", "fused"):
            ratio = record["pixels_per_second_median"] / dense[record["network"]]
            record["ratio_to_dense"] = float(f"{ratio:.3g}")
    return records


if __name__ == "__main__":
    source, target = (Path(argument) for argument in sys.argv[1:])
    target.write_text(json.dumps(reduce_report(json.loads(source.read_text())), indent=2) + "\n")
