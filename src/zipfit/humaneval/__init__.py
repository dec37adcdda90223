"""HumanEval: a model completes 164 programming problems, and a sandbox runs what it wrote."""
