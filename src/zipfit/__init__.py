"""zipfit: pick the training documents that best fit a task."""
