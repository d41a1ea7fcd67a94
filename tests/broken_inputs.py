"""Inputs that are damaged, or made to do harm: each changes a good one, and says what commands meet it."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
import zarr

ESCAPE = "\x1b[31mred\x1b]0;title\x07\n\x85\u202eerror: forged"  # what no terminal and no log may see
READ = ("info", "plan", "invert", "convert")  # commands that open a stack
COMPUTE = ("invert", "convert")  # those that read all of it
RESULT = ("info", "export", "plot", "resume")
EXPORTED = ("export",)

Change = Callable[[Path], Path | None]


@dataclass(frozen=True)
class Broken:
    """An input: the kind of good one that it was, what is done to it, and which commands must refuse it.

    ``change`` gets a copy of the good one and returns another path where that is what is given.
    """

    base: str
    change: Change
    commands: tuple[str, ...] = READ


CASES: dict[str, Broken] = {}


def case(base: str, commands: tuple[str, ...] = READ, **variants: Any) -> Callable[[Callable[..., Any]], Any]:
    """Add a change to the cases, or one for each variant, which it gets as its second argument."""

    def add(change: Callable[..., Path | None]) -> Callable[..., Path | None]:
        name = change.__name__.replace("_", " ")
        if not variants:
            CASES[f"{base}: {name}"] = Broken(base, change, commands)
        for label, value in variants.items():
            made = Broken(base, lambda path, value=value: change(path, value), commands)  # type: ignore[misc]
            CASES[f"{base}: {name}, {label.replace('_', ' ')}"] = made
        return change

    return add


def edit(file: Path, **changes: Any) -> None:
    """Change keys of a JSON file; a dotted path of keys with ``__``."""
    content = json.loads(file.read_text())
    for path, value in changes.items():
        place = content
        *above, last = path.split("__")
        for key in above:
            place = place[key]
        place[last] = value
    file.write_text(json.dumps(content))


def first_chunk(array: Path) -> Path:
    """Find a chunk of a Zarr array."""
    return next(file for file in sorted(array.rglob("*")) if file.is_file() and file.name[0] not in ".z")


def loop_of_links(path: Path) -> Path:
    """Make two links that point at each other."""
    one, other = path.with_name("one"), path.with_name("other")
    one.symlink_to(other)
    other.symlink_to(one)
    return one


def sparse(path: Path, n_byte: int) -> Path:
    """Make a file of that size that takes no room."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(n_byte)
    return path


NO_FILE: dict[str, Change] = {
    "pipe": os.mkfifo,
    "device": lambda file: file.symlink_to("/dev/zero"),
    "loop": lambda file: file.symlink_to(file),
    "gone": lambda file: file.symlink_to("/nowhere"),
}


def put(file: Path, make: Change) -> None:
    """Put something else in the place of a file: one that is opened for ever, or read without an end."""
    file.unlink()
    make(file)


# --- Zarr -------------------------------------------------------------------------------------------------

PHASE = "unwrapped_phase"
NESTED = "[" * 100_000
BOMB = {"name": "numcodecs.pickle", "configuration": {}}


@case(
    "zarr",
    chunk_of_0={"chunk_grid__configuration__chunk_shape": [9, 0, 8]},
    chunk_below_0={"chunk_grid__configuration__chunk_shape": [9, -8, 8]},
    chunk_of_another_rank={"chunk_grid__configuration__chunk_shape": [9, 8]},
    chunk_with_a_fraction={"chunk_grid__configuration__chunk_shape": [9, 8.5, 8]},
    chunk_as_text={"chunk_grid__configuration__chunk_shape": "all"},
    chunk_of_1_TB={"chunk_grid__configuration__chunk_shape": [9, 300_000, 300_000]},
    no_chunks={"chunk_grid": {}},
    chunks_by_another_rule={"chunk_grid__name": "spiral"},
    shape_below_0={"shape": [9, -20, 24]},
    shape_as_text={"shape": "large"},
    shape_of_1e12_pixels={"shape": [9, 1_000_000, 1_000_000]},
    shape_of_1e12_rows={"shape": [9, 1_000_000_000_000, 24]},
    shape_of_another_rank={"shape": [9, 20]},
    type_unknown={"data_type": "float13"},
    type_without_numbers={"data_type": "string"},
    type_complex={"data_type": "complex64", "fill_value": [0.0, 0.0]},
    type_of_texts={"data_type": {"name": "null_terminated_bytes", "configuration": {"length_bytes": 10**9}}},
    fill_value_of_another_type={"fill_value": {"a": 1}},
    codec_unknown={"codecs": [{"name": "magic"}]},
    codec_pickle={"codecs": [BOMB]},
    codecs_none={"codecs": []},
    codecs_as_text={"codecs": "bytes"},
    dimensions_of_another_number={"dimension_names": ["pair", "y"]},
    dimensions_twice={"dimension_names": ["pair", "y", "y"]},
    attributes_as_a_list={"attributes": [1]},
    zarr_of_the_future={"zarr_format": 9},
    node_unknown={"node_type": "tree"},
)
def metadata_of_the_phase(path: Path, changes: dict[str, Any]) -> None:
    edit(path / PHASE / "zarr.json", **changes)


@case("zarr")
def shards_that_chunks_do_not_fill(path: Path) -> None:
    inner = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [1, 5, 5],
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        },
    }
    edit(path / PHASE / "zarr.json", codecs=[inner])


@case("zarr", empty="", cut='{"zarr_format": 3,', a_list="[]", a_number="7", nested=NESTED, null="null")
def metadata_of_the_store(path: Path, text: str) -> None:
    (path / "zarr.json").write_text(text)


@case("zarr", empty="", cut='{"zarr_format": 3,', a_list="[]", nested=NESTED, not_text="\udcff")
def metadata_of_an_array(path: Path, text: str) -> None:
    (path / PHASE / "zarr.json").write_bytes(text.encode("utf-8", "surrogateescape"))


@case("zarr")
def metadata_of_100_megabytes(path: Path) -> None:
    sparse(path / "zarr.json", 100 * 1024**2)


@case("zarr")
def dates_of_1e12_pairs(path: Path) -> None:
    edit(path / "reference_date" / "zarr.json", shape=[10**12])


@case("zarr")
def an_axis_of_1e12_rows(path: Path) -> None:
    edit(path / "y" / "zarr.json", shape=[10**12])


@case("zarr")
def dates_that_are_a_group(path: Path) -> None:
    shutil.rmtree(path / "reference_date")
    zarr.open_group(path, mode="r+").create_group("reference_date")


@case("zarr")
def metadata_that_is_a_loop_of_links(path: Path) -> None:
    file = path / PHASE / "zarr.json"
    file.unlink()
    file.symlink_to(file)


@case("zarr")
def a_name_with_escapes(path: Path) -> None:
    (path / PHASE).rename(path / ESCAPE.replace("/", ""))


@case("zarr")
def a_name_of_255_characters(path: Path) -> None:
    (path / PHASE).rename(path / ("n" * 255))


@case(
    "zarr",
    COMPUTE,
    cut=lambda old: old[: len(old) // 2],
    other=lambda old: b"x" * len(old),
    empty=lambda _: b"",
)
def a_chunk(path: Path, change: Callable[[bytes], bytes]) -> None:
    chunk = first_chunk(path / PHASE)
    chunk.write_bytes(change(chunk.read_bytes()))


@case("zarr", COMPUTE, folder=Path.mkdir, **NO_FILE)
def no_file_for_a_chunk(path: Path, make: Change) -> None:
    put(first_chunk(path / PHASE), make)


@case("zarr", **NO_FILE)
def no_file_for_dates(path: Path, make: Change) -> None:
    put(first_chunk(path / "reference_date"), make)


@case("zarr", folder=Path.mkdir, **NO_FILE)
def no_file_for_metadata(path: Path, make: Change) -> None:
    put(path / PHASE / "zarr.json", make)


@case("zarr 2", **NO_FILE)
def no_file_for_metadata_2(path: Path, make: Change) -> None:
    put(path / PHASE / ".zarray", make)


@case(
    "zarr 2",
    chunk_of_0={"chunks": [9, 0, 8]},
    shape={"shape": [9, 10**6, 10**6]},
    text={"dtype": "<U999999999"},
)
def metadata_of_the_phase_2(path: Path, changes: dict[str, Any]) -> None:
    edit(path / PHASE / ".zarray", **changes)


@case(
    "zarr 2", pickle={"filters": [{"id": "pickle"}], "dtype": "|O"}, unknown={"compressor": {"id": "magic"}}
)
def codecs_of_the_phase_2(path: Path, changes: dict[str, Any]) -> None:
    edit(path / PHASE / ".zarray", **changes)


@case("zarr 2")
def attributes_that_are_no_json(path: Path) -> None:
    (path / PHASE / ".zattrs").write_text("{")


# --- results ----------------------------------------------------------------------------------------------


@case(
    "result", RESULT, pickle={"codecs": [BOMB]}, chunk={"chunk_grid__configuration__chunk_shape": [6, 0, 8]}
)
def metadata_of_the_displacement(path: Path, changes: dict[str, Any]) -> None:
    edit(path / "displacement" / "zarr.json", **changes)


@case("result", RESULT, chunk={"chunk_grid__configuration__chunk_shape": [0, 8]}, pickle={"codecs": [BOMB]})
def metadata_of_the_status(path: Path, changes: dict[str, Any]) -> None:
    edit(path / "status" / "zarr.json", **changes)


@case("result", RESULT, displacement="displacement", status="status", marks="progress/done", dates="date")
def a_pipe_for_a_chunk(path: Path, name: str) -> None:
    put(first_chunk(path / name), os.mkfifo)


@case("result", EXPORTED, text=ESCAPE, number=7, list=[ESCAPE], none=None)
def attributes_of_another_kind(path: Path, value: Any) -> None:
    content = json.loads((path / "zarr.json").read_text())
    content["attributes"] = dict.fromkeys(content["attributes"], value)
    (path / "zarr.json").write_text(json.dumps(content))


@case("result", EXPORTED)
def a_status_without_a_chunk(path: Path) -> None:
    put(first_chunk(path / "status"), Path.mkdir)


@case("result", ("resume",), folder=Path.mkdir, pipe=os.mkfifo)
def a_lock_that_is_no_file(path: Path, make: Change) -> None:
    make(path.with_name(f".{path.name}.lock"))


@case("result", RESULT, few=[1, 1], huge=[10**6, 10**6], line=[10**12])
def marks_of_tiles(path: Path, shape: list[int]) -> None:
    changes = {"shape": shape, "chunk_grid__configuration__chunk_shape": [1] * len(shape)}
    edit(path / "progress" / "done" / "zarr.json", **changes)
    edit(path / "progress" / "done" / "zarr.json", dimension_names=None)


@case("result", ("info", "export", "plot"))
def dates_of_1e12(path: Path) -> None:
    edit(path / "date" / "zarr.json", shape=[10**12])


@case("result", RESULT)
def a_displacement_without_metadata(path: Path) -> None:
    (path / "displacement" / "zarr.json").unlink()


@case("result", RESULT)
def a_displacement_that_is_no_json(path: Path) -> None:
    (path / "displacement" / "zarr.json").write_text("{")


@case("result", ("export", "plot"))
def a_chunk_of_the_displacement(path: Path) -> None:
    for chunk in sorted((path / "displacement" / "c").rglob("*")):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:-10])


@case("result", ("resume",))
def a_store_that_is_a_stack(path: Path) -> None:
    shutil.rmtree(path)
    shutil.copytree(path.with_name("stack.zarr"), path)


@case("zarr", EXPORTED)
def a_stack_to_export(path: Path) -> None:
    pass


@case("mintpy", EXPORTED)
def a_mintpy_stack_to_export(path: Path) -> None:
    pass


# --- HDF5 -------------------------------------------------------------------------------------------------


def replace(path: Path, name: str, make: Callable[[h5py.File], None]) -> None:
    """Take a dataset away and put something else there."""
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file)


@case("mintpy", phase="unwrapPhase", dates="date", dropped="dropIfgram", more="connectComponent")
def a_loop_of_soft_links(path: Path, name: str) -> None:
    def make(file: h5py.File) -> None:
        file[name], file["other"] = h5py.SoftLink("/other"), h5py.SoftLink(f"/{name}")

    replace(path, name, make)


@case("mintpy", phase="unwrapPhase", coherence="coherence")
def a_link_to_another_file(path: Path, name: str) -> None:
    shutil.copy(path, path.with_name("other.h5"))
    replace(path, name, lambda file: file.__setitem__(name, h5py.ExternalLink("other.h5", f"/{name}")))


@case("mintpy")
def raw_data_in_another_file(path: Path) -> None:
    secret = path.with_name("secret")
    secret.write_bytes(b"x" * 20_000)

    def make(file: h5py.File) -> None:
        file.create_dataset("unwrapPhase", (9, 20, 24), "f4", external=[(str(secret), 0, 20_000)])

    replace(path, "unwrapPhase", make)


@case("mintpy")
def a_virtual_dataset_of_another_file(path: Path) -> None:
    shutil.copy(path, path.with_name("other.h5"))
    layout = h5py.VirtualLayout((9, 20, 24), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "unwrapPhase", (9, 20, 24))
    replace(path, "unwrapPhase", lambda file: file.create_virtual_dataset("unwrapPhase", layout))


@case("mintpy")
def a_phase_of_1e12_pixels(path: Path) -> None:
    def make(file: h5py.File) -> None:
        file.create_dataset("unwrapPhase", (9, 10**6, 10**6), "f4", chunks=(1, 64, 64))

    replace(path, "unwrapPhase", make)


@case("mintpy")
def dates_of_1e12_pairs_in_hdf5(path: Path) -> None:
    def make(file: h5py.File) -> None:
        file.create_dataset("date", (10**12, 2), "S8", chunks=(1000, 2))
        del file["unwrapPhase"]
        file.create_dataset("unwrapPhase", (10**12, 20, 24), "f4", chunks=(1, 20, 24))

    replace(path, "date", make)


@case(
    "mintpy",
    group=lambda file: file.create_group("unwrapPhase"),
    type=lambda file: file.__setitem__("unwrapPhase", np.dtype("f4")),
    compound=lambda file: file.create_dataset("unwrapPhase", (9, 20, 24), "f4,i4"),
    empty=lambda file: file.create_dataset("unwrapPhase", data=h5py.Empty("f4")),
)
def a_phase_that_is_none(path: Path, make: Callable[[h5py.File], None]) -> None:
    replace(path, "unwrapPhase", make)


@case("mintpy", words=b"now", escapes=ESCAPE.encode(), nothing=b"", not_text=b"\xff\xfe")
def dates_that_are_none(path: Path, date: bytes) -> None:
    replace(path, "date", lambda file: file.__setitem__("date", np.full((9, 2), date, "S80")))


@case("mintpy", ("plan", "invert"), nan="nan", escapes=ESCAPE, list=np.arange(3.0), not_text=b"\xff")
def a_wavelength_that_is_none(path: Path, value: Any) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["WAVELENGTH"] = value


@case("mintpy", half=0.5, most=0.99, begin=0.01)
def the_end_is_missing(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


@case("mintpy")
def other_datasets_with_escapes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file[ESCAPE.replace("/", "")] = np.zeros(3)
        file.attrs["FILE_TYPE"] = ESCAPE


@case("netcdf")
def a_link_to_another_netcdf(path: Path) -> None:
    shutil.copy(path, path.with_name("other.nc"))
    replace(path, PHASE, lambda file: file.__setitem__(PHASE, h5py.ExternalLink("other.nc", PHASE)))


@case("netcdf")
def a_variable_without_dimensions(path: Path) -> None:
    replace(path, PHASE, lambda file: file.__setitem__(PHASE, np.zeros((3, 4, 5))))


@case("netcdf")
def a_soft_loop_in_netcdf(path: Path) -> None:
    replace(path, PHASE, lambda file: file.__setitem__(PHASE, h5py.SoftLink(f"/{PHASE}")))


@case("netcdf", EXPORTED)
def a_netcdf_to_export(path: Path) -> None:
    pass


@case("netcdf")
def netcdf_3(path: Path) -> None:
    path.write_bytes(b"CDF\x01" + bytes(100))


@case("mintpy", of_itself=["unwrapPhase"], of_each_other=["other"], of_nothing=["nothing"])
def a_virtual_dataset(path: Path, sources: list[str]) -> None:
    def make(file: h5py.File) -> None:
        for name, source in (("unwrapPhase", sources[0]), ("other", "unwrapPhase")):
            layout = h5py.VirtualLayout((9, 20, 24), "f4")
            layout[:] = h5py.VirtualSource(".", source, (9, 20, 24))
            file.create_virtual_dataset(name, layout)

    replace(path, "unwrapPhase", make)


# --- folders of rasters -----------------------------------------------------------------------------------


def one(path: Path, pattern: str) -> Path:
    """Find the first file of a pattern."""
    return next(iter(sorted(path.glob(pattern))))


@case("hyp3", text=b"<html>404</html>", empty=b"", half=None)
def a_phase_of_hyp3(path: Path, content: bytes | None) -> None:
    file = one(path, "*/*_unw_phase.tif")
    file.write_bytes(file.read_bytes()[:200] if content is None else content)


@case("hyp3", nan="nan", text="very", escapes=ESCAPE.replace("\n", " "), infinite="1e999")
def a_number_of_hyp3(path: Path, value: str) -> None:
    file = one(path, "*/*ueF_0000.txt")
    file.write_text(
        "".join(
            f"Range looks: {value}\n" if line.startswith("Range looks") else line
            for line in file.read_text().splitlines(keepends=True)
        )
    )


@case("hyp3")
def a_parameter_file_of_a_gigabyte(path: Path) -> None:
    sparse(one(path, "*/*ueF_0000.txt"), 1024**3)


@case("hyp3")
def a_parameter_file_that_is_a_folder(path: Path) -> None:
    file = one(path, "*/*ueF_0000.txt")
    file.unlink()
    file.mkdir()


@case("hyp3")
def a_part_of_a_pixel_apart(path: Path) -> None:
    file = one(path, "*/*_unw_phase.tif")
    with rasterio.open(file, "r+") as raster:
        raster.transform = raster.transform * rasterio.Affine.translation(0.5, 0)


@case("hyp3")
def no_common_pixel(path: Path) -> None:
    for file in one(path, "*/*_unw_phase.tif").parent.glob("*.tif"):
        with rasterio.open(file, "r+") as raster:
            raster.transform = raster.transform * rasterio.Affine.translation(1000, 0)


@case("hyp3", not_a_number=float("nan"), infinite=float("inf"))
def a_step_of_a_grid(path: Path, step: float) -> None:
    for file in path.glob("*/*.tif"):
        with rasterio.open(file, "r+") as raster:
            old = raster.transform
            raster.transform = rasterio.Affine(step, 0, old.c, 0, old.e, old.f)


@case("hyp3 zips")
def a_bomb_in_an_archive(path: Path) -> None:
    archive = one(path, "*.zip")
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            with new.open(name, "w", force_zip64=True) as member:
                member.write(content)
                for _ in range(60 if name.endswith("ueF_0000.txt") else 0):
                    member.write(bytes(10 * 1024**2))  # 600 MB in 600 kB


@case("hyp3 zips", half=0.5, most=0.98)
def an_archive_that_ends_early(path: Path, share: float) -> None:
    archive = one(path, "*.zip")
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])


@case("hyp3 zips")
def an_archive_of_text(path: Path) -> None:
    one(path, "*.zip").write_text("Not found")


@case("hyp3 zips", all=True, text=False)
def an_archive_with_a_password(path: Path, everything: bool) -> None:
    archive = one(path, "*.zip")
    with zipfile.ZipFile(archive) as opened:
        members = [i for i in opened.infolist() if everything or i.filename.endswith(".txt")]
    content = bytearray(archive.read_bytes())
    for member in members:
        content[member.header_offset + 6] |= 1
        in_directory = content.rfind(member.filename.encode()) - 46
        content[in_directory + 8] |= 1
    archive.write_bytes(content)


@case("hyp3 zips")
def an_archive_with_other_checksums(path: Path) -> None:
    archive = one(path, "*.zip")
    with zipfile.ZipFile(archive) as opened:
        text = next(info for info in opened.infolist() if info.filename.endswith("ueF_0000.txt"))
    content = bytearray(archive.read_bytes())
    start = text.header_offset + 30 + len(text.filename)
    content[start : start + 40] = bytes(40)
    archive.write_bytes(content)


@case(
    "licsar", bytes=bytes(range(256)), short=b"20180106\n", html=b"<html>404</html>", escapes=ESCAPE.encode()
)
def baselines_of_licsar(path: Path, content: bytes) -> None:
    (path / "baselines").write_bytes(content)


@case("licsar", heading="heading=north", time="center_time=\x1b[31m")
def metadata_of_licsar(path: Path, text: str) -> None:
    (path / "metadata.txt").write_text(f"master=20180106\n{text}\n")


@case("licsar")
def a_metadata_file_of_a_gigabyte(path: Path) -> None:
    sparse(path / "metadata.txt", 1024**3)


@case("licsar")
def a_name_of_a_phase_with_escapes(path: Path) -> None:
    file = one(path, "*/*.geo.unw.tif")
    file.rename(file.with_name(f"{ESCAPE}.geo.unw.tif"))


@case("licsar")
def a_raster_of_1e12_pixels(path: Path) -> None:
    file = one(path, "*/*.geo.unw.tif")
    profile = {
        "driver": "GTiff",
        "height": 10**6,
        "width": 10**6,
        "count": 1,
        "dtype": "float32",
        "tiled": True,
    }
    with rasterio.open(
        file,
        "w",
        **profile,
        crs=4326,
        transform=rasterio.Affine(1e-6, 0, 0, 0, -1e-6, 0),
        blockxsize=4096,
        blockysize=4096,
        compress="deflate",
        sparse_ok=True,
        BIGTIFF="YES",
    ):
        pass


@case("dolphin", COMPUTE)
def a_raster_whose_end_is_missing(path: Path) -> None:
    for file in path.glob("unwrapped/*.unw.tif"):
        file.write_bytes(file.read_bytes()[:-900])


@case("dolphin", three_bands=3, complex=0)
def a_raster_of_another_kind(path: Path, n_band: int) -> None:
    file = one(path, "unwrapped/*[0-9].unw.tif")
    with rasterio.open(file) as raster:
        profile = raster.profile
    profile |= {"count": n_band or 1} | ({} if n_band else {"dtype": "complex64"})
    with rasterio.open(file, "w", **profile):
        pass


ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "lol" * 100}">' for n in range(10))


@case(
    "isce",
    bomb=f"<!DOCTYPE x [{ENTITIES}]><x>&a9;</x>",
    file='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    cut="<productmanager_name><component",
    nested="<a>" * 100_000,
    nothing="",
    word='<x><property name="radarwavelength"><value>long</value></property></x>',
    escapes='<x><property name="radarwavelength"><value>\x85</value></property></x>',
)
def xml_of_a_swath(path: Path, text: str) -> None:
    (path / "reference").mkdir(exist_ok=True)
    (path / "reference" / "IW1.xml").write_text(text)


@case(
    "isce",
    cut="<VRTDataset",
    huge='<VRTDataset rasterXSize="1000000000" rasterYSize="1000000000"/>',
    nothing="",
    nan='<VRTDataset rasterXSize="nan" rasterYSize="24"/>',
)
def a_header_of_isce(path: Path, text: str) -> None:
    one(path, "merged/interferograms/*/filt_fine.unw.vrt").write_text(text)


@case("isce")
def a_header_of_isce_that_is_no_text(path: Path) -> None:
    header = one(path, "merged/interferograms/*/filt_fine.unw.vrt")
    header.write_bytes(header.read_bytes().replace(b"<SourceFilename", b"\xf1<Source\x1bFilename"))


@case("isce")
def a_raw_image_that_is_short(path: Path) -> None:
    image = one(path, "merged/interferograms/*/filt_fine.unw")
    image.write_bytes(image.read_bytes()[:-1])


@case("aria", cut="<VRTDataset", self=None, nothing="")
def a_stack_file_of_aria(path: Path, text: str | None) -> None:
    file = path / "stack" / "unwrapStack.vrt"
    if text is None:
        text = file.read_text().replace(str(path / "unwrappedPhase"), str(path / "stack"))
        text = text.replace("<SourceFilename", "<SourceFilename").replace(".vrt<", "x<")
    file.write_text(text)


@case("aria", **NO_FILE)
def no_file_for_a_stack_of_aria(path: Path, make: Change) -> None:
    put(path / "stack" / "unwrapStack.vrt", make)


@case("aria", **NO_FILE)
def no_file_for_the_coherence_of_aria(path: Path, make: Change) -> None:
    put(path / "stack" / "cohStack.vrt", make)


@case(
    "aria",
    wavelength=("0.05546576", "long"),
    time=("00:41:32.500000", "noon"),
    baseline=('perpendicularBaseline">', 'perpendicularBaseline">x'),
)
def a_number_of_aria(path: Path, words: tuple[str, str]) -> None:
    file = path / "stack" / "unwrapStack.vrt"
    file.write_text(file.read_text().replace(*words))


@case("gunw", not_a_number=np.nan, infinite=np.inf)
def latitudes(path: Path, value: float) -> None:
    with h5py.File(one(path, "*.nc"), "r+") as file:
        file["science/grids/data/latitude"][3] = value


@case("gunw")
def a_link_to_another_product(path: Path) -> None:
    first, other = sorted(path.glob("*.nc"))[:2]
    name = "science/grids/data/unwrappedPhase"
    replace(first, name, lambda file: file.__setitem__(name, h5py.ExternalLink(str(other), name)))


@case("gunw")
def a_loop_in_a_product(path: Path) -> None:
    name = "science/radarMetaData/wavelength"
    replace(one(path, "*.nc"), name, lambda file: file.__setitem__(name, h5py.SoftLink(f"/{name}")))


@case("gunw", text=b"<html>404</html>", empty=b"")
def a_product_that_is_none(path: Path, content: bytes) -> None:
    one(path, "*.nc").write_bytes(content)


@case("gmtsar", number="radar_wavelength = long\n", nan="near_range = nan\n", escapes=f"PRF = {ESCAPE}\n")
def parameters_of_gmtsar(path: Path, text: str) -> None:
    one(path, "intf_all/*/*.PRM").write_text(text)


@case("gmtsar")
def parameters_of_a_gigabyte(path: Path) -> None:
    sparse(one(path, "intf_all/*/*.PRM"), 1024**3)


@case("gmtsar", words="a b c d e f\n", short="a\n", bytes="\x00\x01 \x02 \x03 \x04 \x05")
def baselines_of_gmtsar(path: Path, text: str) -> None:
    (path / "baseline_table.dat").write_text(text)


@case("gmtsar", text=b"grid", cut=None)
def a_grid_of_gmtsar(path: Path, content: bytes | None) -> None:
    file = one(path, "intf_all/*/unwrap.grd")
    file.write_bytes(file.read_bytes()[:600] if content is None else content)


IMAGES = {
    "hyp3": "*/*_unw_phase.tif",
    "licsar": "*/*.geo.cc.tif",
    "dolphin": "interferograms/*.int.cor.tif",
    "isce": "merged/interferograms/*/filt_fine.unw",
    "gunw": "*.nc",
    "gmtsar": "intf_all/*/unwrap.grd",
}


for kind, pattern in IMAGES.items():

    @case(kind, COMPUTE, pipe=os.mkfifo, device=NO_FILE["device"])
    def no_file_for_an_image(path: Path, make: Change, pattern: str = pattern) -> None:
        put(one(path, pattern), make)


# --- paths that are no stack ------------------------------------------------------------------------------

ANY = (*READ, "export", "plot", "mintpy")


@case("nothing", ANY)
def a_path_with_escapes(path: Path) -> Path:
    return path / f"{ESCAPE}.h5"


@case("nothing", ANY)
def a_path_of_300_characters(path: Path) -> Path:
    return path / ("n" * 300)


@case("nothing", ANY)
def a_path_of_5000_characters(path: Path) -> Path:
    return path / "/".join(["n" * 200] * 25)


@case("nothing", ANY)
def a_loop_of_links(path: Path) -> Path:
    return loop_of_links(path / "x")


@case("nothing", ANY)
def a_link_to_nothing(path: Path) -> Path:
    (path / "link").symlink_to(path / "gone")
    return path / "link"


@case("nothing", ANY)
def an_empty_file(path: Path) -> Path:
    (path / "empty.h5").touch()
    return path / "empty.h5"


@case("nothing", ANY)
def an_empty_folder(path: Path) -> Path:
    return path


@case("nothing", ANY)
def a_pipe(path: Path) -> Path:
    os.mkfifo(path / "pipe")
    return path / "pipe"


@case("nothing", ANY)
def a_device(_path: Path) -> Path:
    return Path("/dev/zero")


@case("nothing", ANY)
def a_file_as_a_folder(path: Path) -> Path:
    (path / "file").write_text("text")
    return path / "file" / "inside"


@case("nothing", ANY)
def a_folder_with_escapes_in_it(path: Path) -> Path:
    (path / ESCAPE.replace("/", "")).mkdir()
    return path


@case("nothing", ANY)
def a_name_that_is_no_utf_8(path: Path) -> Path:
    return path / os.fsdecode(b"\xff\xfe.h5")


def walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Name everything below a folder, with the sizes of files: what a command must not change."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), path.lstat().st_size if not path.is_dir() else -1
