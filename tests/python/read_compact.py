"""Compact images from HDF5 or Arrow IPC: prints what it found as JSON."""
import json, sys
import h5py, numpy as np, pyarrow as pa

def dense(bitmap, values, bins):
    """Values of the occupied cells as (cos_theta_l, cos_theta_k, chi), 0 in the others."""
    cells = np.zeros(bins**3, "f4")
    cells[np.unpackbits(bitmap, count=bins**3, bitorder="little").astype(bool)] = values
    return cells.reshape(bins, bins, bins)

def from_hdf5(f, i):
    begin, end = f["offsets"][i:i + 2]
    sums, counts, overflow = f["sums"][begin:end], f["counts"][begin:end].astype("u4"), f["overflow"][:]
    overflow = overflow[(overflow[:, 0] >= begin) & (overflow[:, 0] < end)]
    counts[overflow[:, 0] - begin] = overflow[:, 1]
    return f["bitmap"][i], sums, counts

def from_arrow(table, i):
    row = table.slice(i, 1).combine_chunks()
    sums, counts, overflow = (row[name].chunk(0).flatten().to_numpy() for name in ("sums", "counts", "overflow"))
    counts = counts.astype("u4")
    counts[overflow[0::2]] = overflow[1::2]
    return np.frombuffer(row["bitmap"][0].as_py(), "u1"), sums, counts

if sys.argv[1].endswith(".h5"):
    f = h5py.File(sys.argv[1])
    bins, labels, events, axes = f.attrs["bins"], f["labels/delta_c9"][:].tolist(), f["events"][:].tolist(), f["bitmap"].attrs["axes"]
    images, text = [from_hdf5(f, i) for i in range(len(labels))], f.attrs["humboldt"]
else:
    f = pa.ipc.open_file(pa.memory_map(sys.argv[1])).read_all()                           # nothing is copied
    bins, labels, events, axes = f.schema.metadata[b"bins"], f["delta_c9"].to_pylist(), f["events"].to_pylist(), json.loads(f.schema.metadata[b"axes"])
    images, text = [from_arrow(f, i) for i in range(len(labels))], f.schema.metadata[b"humboldt"]
bins = int(bins)
print(json.dumps({
    "bins": bins, "axes": list(axes), "delta_c9": labels, "events": events, "seed": json.loads(text)["seed"],
    "means": [dense(bitmap, sums / counts.astype("f4"), bins).ravel().tolist() for bitmap, sums, counts in images],
    "counts": [dense(bitmap, counts, bins).ravel().tolist() for bitmap, sums, counts in images],
}))
