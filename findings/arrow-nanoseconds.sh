#!/usr/bin/env bash
# What pyarrow makes of nanoseconds depends on whether pandas is installed, and one kind of time loses them in silence.
#
# pyarrow 26.0.1 gives for one nanosecond by `to_pylist()`:
#   - without pandas: a ValueError, for the whole column, from timestamp[ns], duration[ns] and time64[ns] alike;
#   - with pandas 3.1.1: a Timestamp and a Timedelta, which keep it; from time64[ns] midnight, the nanosecond cut off.
# A whole microsecond is a datetime without pandas, and a Timestamp with it; a Timedelta prints in another form than a
# timedelta. So a program that prints such values writes other bytes, or ends, in another environment.
#
# Seen: the lines under `expected`. Fails if any is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv without
without/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
python3 -m venv with
with/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 pandas==3.1.1

cat >read.py <<'PYTHON'
import pyarrow as pa

for value in (1, 1000):
    for kind in (pa.timestamp("ns"), pa.duration("ns"), pa.time64("ns")):
        try:
            (seen,) = pa.array([value], kind).to_pylist()
            print(value, kind, type(seen).__name__, seen)
        except ValueError:
            print(value, kind, "ValueError")
PYTHON

cat >expected <<'TEXT'
without
1 timestamp[ns] ValueError
1 duration[ns] ValueError
1 time64[ns] ValueError
1000 timestamp[ns] datetime 1970-01-01 00:00:00.000001
1000 duration[ns] timedelta 0:00:00.000001
1000 time64[ns] time 00:00:00.000001
with
1 timestamp[ns] Timestamp 1970-01-01 00:00:00.000000001
1 duration[ns] Timedelta 0 days 00:00:00.000000001
1 time64[ns] time 00:00:00
1000 timestamp[ns] Timestamp 1970-01-01 00:00:00.000001
1000 duration[ns] Timedelta 0 days 00:00:00.000001
1000 time64[ns] time 00:00:00.000001
TEXT

for which in without with; do
  echo "$which"
  "$which/bin/python" read.py
done | tee seen
diff expected seen && echo "as found"
