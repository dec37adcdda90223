#!/usr/bin/env bash
# Chats become columns of JSON text as soon as one turn has a key that another has not, and stay so in Parquet.
#
# datasets 5.2.0, pyarrow 26.0.1, polars 2.1.0: two files of chats in JSON Lines are loaded with `load_dataset`. Where
# all turns have the same keys, messages are a list of records. Where the assistant's turn has tool calls and the user's
# has none, each message is of the feature `Json`: rows of the data set are records as before, but the Parquet file that
# `to_parquet` writes holds the Arrow extension `arrow.json`, of which pyarrow and polars give texts.
#
# Seen: the lines under `expected`. Fails if any is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 polars==2.1.0

cat >read.py <<'PYTHON'
import json

import polars
import pyarrow.parquet as pq
from datasets import load_dataset

ASKED, ANSWERED = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
CALLED = ANSWERED | {"tool_calls": [{"name": "f", "arguments": {"x": 1}}]}

for name, answer in {"alike": ANSWERED, "differing": CALLED}.items():
    chats = [{"messages": [ASKED, answer]}] * 2
    with open(f"{name}.jsonl", "w") as stream:
        stream.writelines(json.dumps(chat) + "\n" for chat in chats)
    loaded = load_dataset("json", data_files=f"{name}.jsonl", split="train", cache_dir="cache")
    loaded.to_parquet(f"{name}.parquet")
    table = pq.read_table(f"{name}.parquet")
    print(name, "in Parquet:", "arrow.json" if "arrow.json" in str(table.schema.field("messages").type) else "records")
    print(name, "datasets:", type(loaded[0]["messages"][0]).__name__)
    print(name, "pyarrow:", type(table.to_pylist()[0]["messages"][0]).__name__)
    print(name, "polars:", type(polars.read_parquet(f"{name}.parquet")["messages"][0][0]).__name__)
PYTHON

cat >expected <<'TEXT'
alike in Parquet: records
alike datasets: dict
alike pyarrow: dict
alike polars: dict
differing in Parquet: arrow.json
differing datasets: dict
differing pyarrow: str
differing polars: str
TEXT

HF_HUB_OFFLINE=1 env/bin/python read.py 2>err | tee seen || { cat err; exit 1; }
diff expected seen && echo "as found"
