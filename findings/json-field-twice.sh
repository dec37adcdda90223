#!/usr/bin/env bash
# A JSON object that has a field twice means three things to the readers of training data.
#
# RFC 8259 (section 4) allows such an object and leaves open what it means. With the versions below, of the line
# {"text": "first", "text": "second"}
#   - json of Python, orjson 3.13.0, msgspec 0.22.0 and pandas 3.1.1 read "second",
#   - polars 2.1.0 reads "first",
#   - pyarrow 26.0.1 and duckdb 2.0.1 raise an error.
# So a score that was computed through one of them may be of a text that another one trains on.
#
# Seen: the lines under `expected`. Fails if any reader does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
  orjson==3.13.0 msgspec==0.22.0 pandas==3.1.1 polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1

cat >read.py <<'PYTHON'
import json

import duckdb
import msgspec
import orjson
import pandas
import polars
import pyarrow.json

LINE = b'{"text": "first", "text": "second"}\n'
with open("a.jsonl", "wb") as stream:
    stream.write(LINE)

READERS = {
    "json": lambda: json.loads(LINE)["text"],
    "orjson": lambda: orjson.loads(LINE)["text"],
    "msgspec": lambda: msgspec.json.decode(LINE)["text"],
    "pandas": lambda: pandas.read_json("a.jsonl", lines=True)["text"][0],
    "polars": lambda: polars.read_ndjson("a.jsonl")["text"][0],
    "pyarrow": lambda: pyarrow.json.read_json("a.jsonl")["text"][0].as_py(),
    "duckdb": lambda: duckdb.sql("SELECT text FROM read_json('a.jsonl')").fetchall()[0][0],
}
for name, read in READERS.items():
    try:
        print(name, read())
    except (pyarrow.ArrowInvalid, duckdb.InvalidInputException) as error:
        print(name, type(error).__name__)
PYTHON

cat >expected <<'TEXT'
json second
orjson second
msgspec second
pandas second
polars first
pyarrow ArrowInvalid
duckdb InvalidInputException
TEXT

env/bin/python read.py | tee seen
diff expected seen && echo "as found"
