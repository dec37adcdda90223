"""Choose chats for a task and train a model on them with TRL: `python chat_sft.py MODEL` (`pip install trl`).

MODEL is a folder or a name on the hub, with a chat template. The pool is made of your own Python's docstrings: what a
function does, asked and answered. The task is what `math` has. Put your own files where `pool` and `target` stand: any
shape that docs/inputs.md names will do, also several in one pool.
"""

import importlib
import inspect
import sys

import zipfit

MODULES = ("math", "cmath", "statistics", "random", "os", "shutil", "json", "re", "textwrap", "heapq", "bisect", "ast")


def chats(module):
    """A question and its answer for each documented function of a module."""
    for name, member in vars(importlib.import_module(module)).items():
        if callable(member) and not name.startswith("_") and (text := inspect.getdoc(member)):
            question = {"role": "user", "content": f"What does {module}.{name} do?"}
            yield {"messages": [question, {"role": "assistant", "content": text}], "source": module}


everything = {module: list(chats(module)) for module in MODULES}
task = everything["math"]
target = task[::2]  # what the task looks like
pool = task[1::2] + [chat for module in MODULES[1:] for chat in everything[module]]

selection = zipfit.select(pool, target, top=40, method="cover", dedup="exact", convert="messages")
print(selection.summary())
selection.save("selected_chats.jsonl", overwrite=True)

if len(sys.argv) < 2:
    raise SystemExit("selected_chats.jsonl is written; give a model to train on it")

from datasets import load_dataset  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402

trainer = SFTTrainer(
    model=sys.argv[1],
    args=SFTConfig(output_dir="trained", max_length=512, max_steps=3, use_cpu=True, report_to=[]),
    train_dataset=load_dataset("json", data_files="selected_chats.jsonl", split="train"),
)
trainer.train()
trainer.save_model()
