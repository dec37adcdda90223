# %% [markdown]
# # A selection, looked at
#
# A notebook in the percent format: VS Code, PyCharm and Jupytext (`jupytext --to ipynb explore.py`) open it as one.
# It needs matplotlib (`pip install 'zipfit[plots]'`).

# %%
import inspect
import json
import math
import os
import random
import re
import statistics
import textwrap

import matplotlib.pyplot as plt

import zipfit

modules = (json, math, os, random, re, statistics, textwrap)
documents = [
    {"text": text, "source": module.__name__}
    for module in modules
    for name, member in vars(module).items()
    if callable(member) and not name.startswith("_") and (text := inspect.getdoc(member))
]
target = [document["text"] for document in documents if document["source"] == "statistics"][::2]
pool = [document for document in documents if document["text"] not in target]
selection = zipfit.select(pool, target, top=40)
selection  # in a notebook, a table of the best

# %% [markdown]
# ## Where the cut is

# %%
axes = selection.plot()
axes.figure.savefig("scores.png")

# %% [markdown]
# ## What is chosen more often than the pool has it

# %%
chosen, whole = selection.to_pandas()["source"].value_counts(), len(pool)
names = sorted({document["source"] for document in pool})
shares = [sum(document["source"] == name for document in pool) / whole for name in names]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.barh(names, shares, color="silver", label="pool")
axes.barh(names, [chosen.get(name, 0) / len(selection) for name in names], height=0.4, label="selected")
axes.set(xlabel="share of the documents")
axes.legend()
figure.savefig("labels.png")

# %% [markdown]
# ## Do methods agree?
#
# The share of documents that each two of them both choose.

# %%
methods = ("zipfit", "gain", "cover", "mmr", "random")
taken = [set(zipfit.select(pool, target, top=40, method=method).indices.tolist()) for method in methods]
agreement = [[len(one & other) / len(one | other) for other in taken] for one in taken]
figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
axes.imshow(agreement, cmap="Blues", vmin=0, vmax=1)
axes.set_xticks(range(len(methods)), methods)
axes.set_yticks(range(len(methods)), methods)
for row, shares_of_row in enumerate(agreement):
    for column, share in enumerate(shares_of_row):
        axes.text(column, row, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.6 else "black")
figure.savefig("agreement.png")
