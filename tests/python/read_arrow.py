"""Images and labels from an Arrow IPC file: prints what it found as JSON."""
import json, sys
import pyarrow as pa

table = pa.ipc.open_file(pa.memory_map(sys.argv[1])).read_all()       # nothing is copied
tensor = table.column("images").type
images = [image for part in table.column("images").chunks for image in part.to_numpy_ndarray()]
provenance = json.loads(table.schema.metadata[b"humboldt"])
print(json.dumps({
    "type": tensor.extension_name, "shape": [len(images), *images[0].shape], "axes": tensor.dim_names,
    "dtype": str(images[0].dtype), "image_1": images[1].tolist(), "delta_c9": table.column("delta_c9").to_pylist(),
    "convention": table.schema.metadata[b"angle_convention"].decode(), "seed": provenance["seed"],
}))
