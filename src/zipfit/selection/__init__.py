"""From a pool and a target to the chosen documents, and everything that is done with a selection."""
