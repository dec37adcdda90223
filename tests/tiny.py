"""Language models of a few thousand random weights, for tests of what is done with models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [f"def add_{name}(left, right):\n    return left + right + {name}\n" for name in range(40)] + [
    f"The theorem number {number} says that every bounded sequence converges.\n" for number in range(40)
]


def save_tokenizer(folder: Path, end: str | None = "<|end|>", begin: str | None = None) -> Any:
    """A byte-level BPE of 320 tokens that puts `begin`, if there is one, before every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token in (end, begin) if token is not None]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    if begin is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, tokenizer.token_to_id(begin))]
        )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, bos_token=begin)
    fast.save_pretrained(folder)
    return fast


def save_model(folder: Path, end: str | None = "<|end|>", begin: str | None = None, **configuration: Any) -> Path:
    """A Llama of two layers with random weights, always the same, and its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 256,
    }
    LlamaForCausalLM(LlamaConfig(vocab_size=320, **(shape | configuration))).save_pretrained(folder)
    save_tokenizer(folder, end, begin)
    return folder


CHAT_TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}"
    "{% for call in message.tool_calls or [] %}{{ call.function.name }}({{ call.function.arguments | tojson }}){% endfor %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def save_chat_model(folder: Path) -> Path:
    """The same model with a chat template, which writes tools and calls too."""
    from transformers import AutoTokenizer

    save_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder
