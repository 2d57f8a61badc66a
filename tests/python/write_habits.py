"""Files as people have them, one a habit, to be read or refused by name: into the folder given."""
import sys
from pathlib import Path
import h5py, hdf5plugin, numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq, tables

folder = Path(sys.argv[1])
n = 40
angle = np.linspace(-0.9, 0.9, n)
EVENTS = {"q2": 3 + angle, "cos_theta_l": -angle, "cos_theta_k": angle, "chi": 3 * angle, "m_kpi": 0.9 + 0 * angle}


def columns(**changed):
    return {**EVENTS, **changed}


def parquet(name, changed={}, drop=(), **options):
    table = pd.DataFrame({k: v for k, v in columns(**changed).items() if k not in drop})
    table.to_parquet(folder / f"{name}.parquet", **options)


def ipc(name, table, **options):
    with pa.ipc.new_file(folder / f"{name}.arrow", table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)


def both(name, table):
    pq.write_table(table, folder / f"{name}.parquet")
    ipc(name, table)


def with_value(column, row, value):
    return {column: np.where(np.arange(n) == row, value, EVENTS[column])}


# Events that are read.
for codec in ["brotli", "zstd", "gzip", "lz4", "snappy", None]:
    parquet(f"read_codec_{codec}", compression=codec)
parquet("read_chi_0_to_2pi", {"chi": (3 * angle) % (2 * np.pi)})
just_above = np.nextafter(np.float32(1), np.float32(2))
parquet("read_rounded", {**with_value("cos_theta_k", 0, just_above), **with_value("chi", 1, np.float32(np.pi))})
parquet("read_large_offsets", row_group_size=7)
table = pa.table(columns())
nullable = pa.schema([pa.field(k, pa.float64(), nullable=True) for k in EVENTS])
both("read_nullable", table.cast(nullable))
ipc("read_zstd", table, compression="zstd")
frame = pd.DataFrame(columns())
frame.attrs = {"angle_convention": "LHCb"}
frame.to_parquet(folder / "read_attrs.parquet")
both("read_units", pa.table(table.columns, schema=pa.schema(
    [pa.field(k, pa.float64(), metadata={"unit": u}) for k, u in zip(EVENTS, ["GeV**2", "1", "", "rad", "GeV/c^2"])])))

# Events that are refused.
parquet("refused_degrees", {"chi": np.degrees(3 * angle)})
parquet("refused_mev", {"q2": 1e6 * EVENTS["q2"]})
parquet("refused_mass_mev", {"m_kpi": 1e3 * EVENTS["m_kpi"]})
parquet("refused_angles", {"cos_theta_l": np.arccos(-angle)})
parquet("of_electrons", with_value("q2", 3, 0.04))
parquet("refused_beyond", with_value("q2", 5, 22.5))
parquet("refused_nan", with_value("chi", 11, np.nan))
parquet("refused_int", {"chi": np.arange(n) % 3})
parquet("refused_bool", {"chi": np.arange(n) % 2 == 0})
both("refused_dictionary", table.set_column(3, "chi", table["chi"].dictionary_encode()))
both("refused_half", table.set_column(3, "chi", pa.array((3 * angle).astype("f2"))))
both("refused_decimal", table.set_column(3, "chi", pa.array([1] * n).cast(pa.decimal128(30, 3))))
both("refused_list", table.set_column(3, "chi", pa.array([[x] for x in angle], pa.large_list(pa.float64()))))
both("refused_text", table.set_column(3, "chi", pa.array([str(x) for x in angle], pa.large_string())))
both("refused_twice", table.append_column("q2", pa.array(angle)))
both("refused_weight_twice", table.append_column("weight", pa.array(angle)).append_column("weight", pa.array(angle)))
frame = pd.DataFrame(columns()).rename(columns={"q2": "q^2"})
frame.to_parquet(folder / "refused_name.parquet")
frame = pd.DataFrame(columns())
frame.attrs = {"angle_convention": "theory"}
frame.to_parquet(folder / "refused_attrs.parquet")
both("refused_convention", table.replace_schema_metadata({"Angle convention": "EvtGen"}))
both("refused_unit", pa.table(table.columns, schema=pa.schema(
    [pa.field(k, pa.float64(), metadata={"unit": "deg"} if k == "chi" else None) for k in EVENTS])))
pd.DataFrame(columns()).to_csv(folder / "refused_csv.parquet")
pd.DataFrame(columns()).to_hdf(folder / "refused_hdf.parquet", key="events")
pd.DataFrame(columns()).to_pickle(folder / "refused_pickle.parquet")
(folder / "refused_root.parquet").write_bytes(b"root\x00\x00\xf7\x24" + bytes(200))
np.save(folder / "refused_numpy.npy", angle)
with pa.ipc.new_stream(folder / "refused_stream.arrow", table.schema) as out:
    out.write_table(table)

# Images.
images = np.arange(4 * 3**3, dtype="f4").reshape(4, 3, 3, 3)
labels = np.array([-1.0, -0.5, 0.0, 0.5])


def hdf5(name, change=lambda f: None, labels=labels, **options):
    with h5py.File(folder / f"{name}.h5", "w", userblock_size=options.pop("userblock_size", 0)) as f:
        f.create_dataset("images", data=options.pop("data", images), **options)
        f["labels/delta_c9"] = labels
        change(f)


def attribute(key, value, on="/"):
    return lambda f: f[on].attrs.__setitem__(key, value)


def fixed(key, text, size, pad, cset, on="/"):
    """An attribute as C makes it."""
    def make(f):
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(size)
        kind.set_strpad(pad)
        kind.set_cset(cset)
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        attr = h5py.h5a.create(f[on].id, key.encode(), kind, space)
        fill = b" " if pad == h5py.h5t.STR_SPACEPAD else b"\0"
        attr.write(np.array(text.encode().ljust(size, fill), dtype=f"S{size}"), mtype=kind)
    return make


ASCII, UTF8 = h5py.h5t.CSET_ASCII, h5py.h5t.CSET_UTF8
NUL, ZERO, SPACE = h5py.h5t.STR_NULLTERM, h5py.h5t.STR_NULLPAD, h5py.h5t.STR_SPACEPAD
spellings = {
    "bytes": lambda text: attribute("angle_convention", np.bytes_(text)),
    "str": lambda text: attribute("angle_convention", text),
    "vlen_ascii": lambda text: (lambda f: f.attrs.create("angle_convention", text, dtype=h5py.string_dtype("ascii"))),
    "array": lambda text: attribute("angle_convention", [text]),
    "array_fixed": lambda text: attribute("angle_convention", np.array([text], "S16")),
    "c_nullterm": lambda text: fixed("angle_convention", text, 32, NUL, ASCII),
    "c_nullpad": lambda text: fixed("angle_convention", text, len(text), ZERO, UTF8),
    "fortran": lambda text: fixed("angle_convention", text, 20, SPACE, ASCII),
    "name": lambda text: attribute("AngleConvention", text),
    "on_images": lambda text: attribute("angle_convention", text, "images"),
    "on_labels": lambda text: attribute("convention", np.bytes_(text), "labels/delta_c9"),
}
for name, make in spellings.items():
    hdf5(f"read_convention_{name}", make("LHCb"))
    hdf5(f"refused_convention_{name}", make("theory"))
for name, text in [("read", "LHCb"), ("refused", "theory")]:
    with tables.open_file(folder / f"{name}_convention_pytables.h5", "w") as f:
        f.create_array("/", "images", images)
        f.create_array("/labels", "delta_c9", labels, createparents=True)
        f.root._v_attrs.angle_convention = text
hdf5("refused_convention_number", attribute("angle_convention", 1))
hdf5("read_axes", attribute("axes", ["cos_theta_l", "cos_theta_k", "chi"], "images"))
hdf5("refused_axes", attribute("axes", ["chi", "cos_theta_k", "cos_theta_l"], "images"))
hdf5("refused_axes_fixed", attribute("axes", np.array([b"cos_theta_k", b"cos_theta_l", b"chi"]), "images"))
hdf5("refused_axes_one_text", attribute("axes", "cos_theta_k,cos_theta_l,chi"))


def labelled(names):
    def make(f):
        for dim, name in zip(f["images"].dims, names):
            dim.label = name
    return make


hdf5("read_dims", labelled(["image", "cos_theta_l", "cos_theta_k", "chi"]))
hdf5("refused_dims", labelled(["image", "chi", "cos_theta_k", "cos_theta_l"]))
hdf5("read_unit", attribute("units", "GeV^2", "images"))
hdf5("refused_unit", attribute("unit", np.bytes_("MeV^2"), "images"))
hdf5("read_big_endian", data=images.astype(">f4"))
hdf5("read_int_labels", labels=np.array([-1, 0, 1, 2]))
hdf5("refused_lzf", compression="lzf")
hdf5("refused_blosc", **hdf5plugin.Blosc())
hdf5("refused_zstd", **hdf5plugin.Zstd())
hdf5("refused_user_block", userblock_size=512)
hdf5("refused_infinite_label", labels=np.array([0, 1, np.inf, 2]))

# Links, in a folder of their own.
linked = folder / "linked"
linked.mkdir()
with h5py.File(linked / "other.h5", "w") as f:
    f["padding"] = np.zeros(1000)
    f["images"] = images
    f["labels/delta_c9"] = labels
with h5py.File(linked / "theory.h5", "w") as f:
    f["images"] = images
    f.attrs["angle_convention"] = "theory"


def links(name, file, target):
    with h5py.File(linked / f"{name}.h5", "w") as f:
        f["room"] = np.full(4 * 27, 7.0, "f4")
        f["images"] = h5py.ExternalLink(file, target) if file else h5py.SoftLink(target)
        f["labels/delta_c9"] = labels


links("read_external", "other.h5", "/images")
links("refused_external", "nowhere.h5", "/images")
links("refused_external_convention", "theory.h5", "/images")
with h5py.File(linked / "read_soft.h5", "w") as f:
    f["data/all"] = images
    f["images"] = h5py.SoftLink("/data/all")
    f["labels/delta_c9"] = h5py.ExternalLink("other.h5", "/labels/delta_c9")
layout = h5py.VirtualLayout(shape=images.shape, dtype="f4")
layout[:] = h5py.VirtualSource("gone.h5", "images", shape=images.shape)
with h5py.File(linked / "refused_virtual.h5", "w") as f:
    f.create_virtual_dataset("images", layout)
    f["labels/delta_c9"] = labels

# Images in Arrow.
tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(images)
ipc("read_images", pa.table({"images": tensors, "delta_c9": labels}))
ipc("read_float_labels", pa.table({"images": tensors, "delta_c9": labels.astype("f4")}))
ipc("refused_images_twice", pa.table([tensors, labels, tensors], ["images", "delta_c9", "images"]))
ipc("refused_labels_twice", pa.table([tensors, labels, labels], ["images", "delta_c9", "delta_c9"]))
ipc("refused_doubles", pa.table({"images": pa.FixedShapeTensorArray.from_numpy_ndarray(images.astype("f8")),
                                 "delta_c9": labels}))
ipc("refused_large_list_images", pa.table({"images": pa.array([i.ravel() for i in images], pa.large_list(pa.float32())),
                                    "delta_c9": labels}))
ipc("refused_image_convention", pa.table({"images": tensors, "delta_c9": labels}).replace_schema_metadata(
    {"angle_convention": "theory"}))
