"""Writes the files of this folder with pyarrow (26.0.1), which shares no code with the tool's reader.

`edge.parquet`, `edge.arrow`, `edge.arrows`: the golden rows of `tests/fixtures/pytorch-edge` as columns `f0` to `f63`, with `y0` to `y2`, as Parquet (two row
groups, snappy), Arrow file and Arrow stream (zstd). `records.parquet`: the rows of `tests/fixtures/keras-records`, texts as texts and integers as integers.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

HERE = Path(__file__).parent
FIXTURES = HERE.parents[2] / "tests" / "fixtures"

golden = np.load(FIXTURES / "pytorch-edge" / "golden.npz")
columns = {f"f{i}": golden["x"][:, i] for i in range(64)} | {t: golden[t].reshape(-1) for t in ("y0", "y1", "y2")}
edge = pa.table(columns)
pa.parquet.write_table(edge, HERE / "edge.parquet", row_group_size=40)
with pa.ipc.new_file(HERE / "edge.arrow", edge.schema) as file:
    file.write_table(edge, max_chunksize=25)
with pa.ipc.new_stream(HERE / "edge.arrows", edge.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
    file.write_table(edge, max_chunksize=25)

pa.parquet.write_table(pa.csv.read_csv(FIXTURES / "keras-records" / "rows.csv").slice(0, 100), HERE / "records.parquet", compression="zstd")
