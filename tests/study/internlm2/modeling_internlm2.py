"""InternLM2's architecture (arXiv 2403.17297, section 2.2), small: Llama with queries, keys and values in one matrix.

A stand-in for the file that comes with the real model, written from the paper for tests of models that bring their code.
"""

import torch
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .configuration_internlm2 import InternLM2Config


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.width = config.hidden_size // config.num_attention_heads
        self.groups = config.num_key_value_heads
        self.queries = config.num_attention_heads // self.groups  # of each group, which shares a key and a value
        self.wqkv = nn.Linear(config.hidden_size, self.groups * (self.queries + 2) * self.width, bias=False)
        self.wo = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, states, mask):
        batch, length, _ = states.shape
        joined = self.wqkv(states).view(batch, length, self.groups, self.queries + 2, self.width)
        query, key, value = joined.split((self.queries, 1, 1), dim=3)
        query, key, value = (
            part.expand(-1, -1, -1, self.queries, -1).flatten(2, 3).transpose(1, 2) for part in (query, key, value)
        )
        mixed = nn.functional.scaled_dot_product_attention(rotated(query), rotated(key), value, attn_mask=mask)
        return self.wo(mixed.transpose(1, 2).flatten(2))


def rotated(states):
    """Rotary position embedding (arXiv 2104.09864)."""
    length, width = states.shape[-2:]
    speed = 10000.0 ** (-torch.arange(0, width, 2, device=states.device) / width)
    angle = torch.outer(torch.arange(length, device=states.device), speed)
    sin, cos = angle.sin(), angle.cos()
    first, second = states.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.w1 = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.w3 = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.w2 = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, states):
        return self.w2(nn.functional.silu(self.w1(states)) * self.w3(states))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = Attention(config)
        self.feed_forward = FeedForward(config)
        self.attention_norm = nn.RMSNorm(config.hidden_size, eps=1e-5)
        self.ffn_norm = nn.RMSNorm(config.hidden_size, eps=1e-5)

    def forward(self, states, mask):
        states = states + self.attention(self.attention_norm(states), mask)
        return states + self.feed_forward(self.ffn_norm(states))


class InternLM2ForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = InternLM2Config

    def __init__(self, config):
        super().__init__(config)
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=1e-5)
        self.output = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.tok_embeddings

    def get_output_embeddings(self):
        return self.output

    def forward(self, input_ids, attention_mask=None, labels=None, **_):
        length = input_ids.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool, device=input_ids.device).tril()[None, None]
        if attention_mask is not None:
            # A position of padding sees itself, as a row of nothing but hidden positions has no softmax.
            diagonal = torch.eye(length, dtype=torch.bool, device=input_ids.device)
            mask = mask & (attention_mask[:, None, None, :].bool() | diagonal)
        states = self.tok_embeddings(input_ids)
        for layer in self.layers:
            states = layer(states, mask)
        logits = self.output(self.norm(states))
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)
