"""A template is split into keys and values as MintPy splits it."""

import json
import subprocess

from fringefleet.mintpy.template import _parse

LINES = (
    "mintpy.networkInversion.weightFunc = auto #[var / fim], auto for var",
    "  mintpy.networkInversion.maskDataset=coherence",
    "mintpy.networkInversion.maskThreshold = 0.3 = 0.4",
    "# mintpy.networkInversion.minRedundancy = 9",
    "% mintpy.networkInversion.minTempCoh = 9",
    "! mintpy.networkInversion.minNumPixel = 9",
    "mintpy.compute.numWorker = $N_OF_THEM",
    "mintpy.compute.maxMemory = ${N_OF_THEM}0",
    "mintpy.compute.config = $NOT_SET_AT_ALL",
    "mintpy.compute.cluster =",
    "mintpy.compute.cluster = $EMPTY",
    "mintpy.networkInversion.waterMaskFile = ~/sea.h5",
    "mintpy.load.unwFile = /a/~b/$N_OF_THEM/*.unw",
    "mintpy.load.corFile = 'quoted # text'",
    "[section]",
    "key: value",
    "a text with = in it",
    "plot_it = yes",
    "mintpy.network.startDate = a\x0bmintpy.network.endDate = b",
    "mintpy.network.keepTriplets = a\u2028mintpy.network.x = b",
    "mintpy.subset.yx = 1\x0cmintpy.subset.lalo = 2",
    "mintpy.deramp = 1\rmintpy.velocity.startDate = 2",
    "mintpy.deramp = 3\r",
    "mintpy.deramp =   # nothing",
)
READ = """
import json, sys
from mintpy.utils import readfile
print(json.dumps(readfile.read_template(sys.argv[1])))
"""


def test_keys_and_values_are_those_that_mintpy_finds(mintpy, tmp_path, monkeypatch):
    monkeypatch.setenv("N_OF_THEM", "12")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NOT_SET_AT_ALL", raising=False)
    path = tmp_path / "custom.cfg"
    path.write_bytes("\n".join(LINES).encode())
    done = subprocess.run([mintpy, "-c", READ, path], capture_output=True, text=True, check=True)
    assert _parse(path) == json.loads(done.stdout.splitlines()[-1])
