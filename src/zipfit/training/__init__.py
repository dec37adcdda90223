"""Fine-tuning causal language models on a selection, and measuring what it was worth."""
