"""Studies: methods x budgets x models x seeds, fine-tuned, evaluated, kept and drawn."""
