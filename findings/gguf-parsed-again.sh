#!/usr/bin/env bash
# Transformers parses the whole of a GGUF file twice to load one model, and lists its tensors' names once a module.
#
# transformers 5.24.0, `AutoModelForCausalLM.from_pretrained(folder, gguf_file=...)`: `GGUFReader`, which walks through
# vocabulary and merges string by string, is made once for the configuration and once for the weights, and a tokenizer
# makes one more. `get_tensor_name_map`, whose answer depends on the architecture and the number of layers alone, is
# called anew for every module of the tree: 33 times for a Llama of two layers, 397 times for SmolLM2-135M. Of that
# model's file, with a vocabulary of 49,152, doing both once left 6 of 17 seconds of loading model and tokenizer.
#
# Seen: the lines under `expected`. Fails if any is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check transformers==5.24.0 gguf==0.19.0 tokenizers==0.23.3 torch==2.13.0 accelerate==1.15.0

cat >load.py <<'PYTHON'
import gguf
import numpy as np
from transformers import AutoModelForCausalLM, AutoTokenizer

words, width, layers = 300, 32, 2
writer = gguf.GGUFWriter("tiny.gguf", "llama")
writer.add_block_count(layers)
writer.add_context_length(64)
writer.add_embedding_length(width)
writer.add_feed_forward_length(2 * width)
writer.add_head_count(4)
writer.add_head_count_kv(4)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_dimension_count(width // 4)
writer.add_vocab_size(words)
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("gpt-2")
writer.add_token_list(["<|endoftext|>", "a", "b", "ab", *(f"word{number}" for number in range(words - 4))])
writer.add_token_types([gguf.TokenType.NORMAL] * words)
writer.add_token_merges(["a b"])
writer.add_bos_token_id(0)
writer.add_eos_token_id(0)
shapes = {"token_embd": (words, width), "output_norm": (width,), "output": (words, width)}
for layer in range(layers):
    square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (width, width))
    norms = dict.fromkeys(("attn_norm", "ffn_norm"), (width,))
    wide = {"ffn_gate": (2 * width, width), "ffn_up": (2 * width, width), "ffn_down": (width, 2 * width)}
    shapes |= {f"blk.{layer}.{name}": shape for name, shape in {**square, **norms, **wide}.items()}
for name, shape in shapes.items():
    writer.add_tensor(f"{name}.weight", np.ones(shape, dtype=np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

calls = dict.fromkeys(("GGUFReader", "get_tensor_name_map"), 0)


def counted(name):
    own = getattr(gguf, name)

    def call(*given, **named):
        calls[name] += 1
        return own(*given, **named)

    return call


for name in calls:
    setattr(gguf, name, counted(name))
model = AutoModelForCausalLM.from_pretrained(".", gguf_file="tiny.gguf")
print("weights", len(model.state_dict()), calls)
AutoTokenizer.from_pretrained(".", gguf_file="tiny.gguf")
print("with the tokenizer", calls)
PYTHON

cat >expected <<'TEXT'
weights 21 {'GGUFReader': 2, 'get_tensor_name_map': 33}
with the tokenizer {'GGUFReader': 3, 'get_tensor_name_map': 33}
TEXT

env/bin/python load.py 2>log | tee seen || cat log
diff expected seen && echo "as found"
