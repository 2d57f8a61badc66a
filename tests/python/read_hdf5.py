"""Images and labels from HDF5: prints what it found as JSON."""
import json, sys
import h5py

with h5py.File(sys.argv[1]) as f:
    images = f["images"]                    # (n, cos_theta_l, cos_theta_k, chi), mean q2 in GeV^2, read lazily
    delta_c9 = f["labels/delta_c9"][:]
    provenance = json.loads(f.attrs["humboldt"])
    print(json.dumps({
        "shape": images.shape, "dtype": str(images.dtype), "axes": list(images.attrs["axes"]), "unit": images.attrs["unit"],
        "chunks": images.chunks, "delta_c9": delta_c9.tolist(), "image_1": images[1].tolist(),
        "convention": f.attrs["angle_convention"], "seed": provenance["seed"], "model": provenance["generator"]["model"],
    }))
