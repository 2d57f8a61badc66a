"""Images and events as a user writes them, to be read by humboldt: into the folder given."""
import sys
from pathlib import Path
import h5py, numpy as np, pandas as pd, pyarrow as pa

folder = Path(sys.argv[1])
angles = np.linspace(-0.9, 0.9, 30)
events = pd.DataFrame({"chi": 3 * angles, "event": np.arange(30), "q2": 10 + angles, "cos_theta_k": angles,
                       "cos_theta_l": (-angles).astype("f4"), "m_kpi": 0.9 + 0 * angles}, index=np.arange(100, 130))
events.to_parquet(folder / "events.parquet")
events.reset_index(drop=True).to_feather(folder / "events.arrow")

images = np.arange(4 * 3**3, dtype="f4").reshape(4, 3, 3, 3)
labels = np.array([-1.0, -0.5, 0.0, 0.5])
with h5py.File(folder / "images.h5", "w") as f:
    f.create_dataset("images", data=images, compression="gzip")
    f["labels/delta_c9"] = labels
tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(images)
table = pa.table({"images": tensors, "delta_c9": labels})
with pa.ipc.new_file(folder / "images.arrow", table.schema) as writer:
    writer.write_table(table)
