"""Events from Parquet or Arrow IPC: prints what it found as JSON."""
import json, sys
import pandas as pd
import pyarrow as pa, pyarrow.parquet as pq

path = sys.argv[1]
events = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_feather(path)
schema = pq.read_schema(path) if path.endswith(".parquet") else pa.ipc.open_file(path).schema
print(json.dumps({
    "columns": list(events.columns), "dtypes": sorted({str(t) for t in events.dtypes}), "rows": len(events),
    "values": {name: events[name].tolist() for name in events}, "seed": json.loads(schema.metadata[b"humboldt"])["seed"],
    "convention": schema.metadata[b"angle_convention"].decode(),
}))
