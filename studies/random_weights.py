"""A model's architecture and tokenizer with random weights: `python studies/random_weights.py MODEL FOLDER`.

MODEL is what `zipfit finetune --model` takes. The weights are those that Transformers gives the architecture before
training, always the same; what a selection does for such a model owes nothing to what a model knows already.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from transformers import AutoModelForCausalLM, set_seed

from zipfit.training.models import load_model


def main(model: str, folder: str) -> None:
    """Write the folder, for `models` of a study or `--model`."""
    known = load_model(model)
    set_seed(0)
    network = AutoModelForCausalLM.from_config(known.network.config)
    replace(known, network=network).save(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
