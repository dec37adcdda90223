#!/usr/bin/env bash
# A table may have a column twice, and the Python rows of it have it once, with no error.
#
# pyarrow 26.0.1: a table with the columns x = 1 and x = 2 is made, and written as Parquet. `to_pylist()` and
# `to_pydict()` give the last of them; `to_pandas()` gives both; reading the Parquet file again raises ArrowInvalid.
# duckdb 2.0.1 reads the same file with both; polars 2.1.0 refuses it.
#
# Seen: the lines under `expected`. Fails if any is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 duckdb==2.0.1

cat >read.py <<'PYTHON'
import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
pq.write_table(table, "a.parquet")

WAYS = {
    "to_pylist": table.to_pylist,
    "to_pydict": table.to_pydict,
    "to_pandas": lambda: table.to_pandas().values.tolist(),
    "pyarrow.parquet": lambda: pq.read_table("a.parquet").num_columns,
    "duckdb": lambda: duckdb.sql("SELECT * FROM 'a.parquet'").fetchall(),
    "polars": lambda: polars.read_parquet("a.parquet").shape,
}
for name, way in WAYS.items():
    try:
        print(name, way())
    except (pa.ArrowInvalid, polars.exceptions.DuplicateError) as error:
        print(name, type(error).__name__)
PYTHON

cat >expected <<'TEXT'
to_pylist [{'x': 2}]
to_pydict {'x': [2]}
to_pandas [[1, 2]]
pyarrow.parquet ArrowInvalid
duckdb [(1, 2)]
polars DuplicateError
TEXT

env/bin/python read.py | tee seen
diff expected seen && echo "as found"
