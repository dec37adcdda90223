"""The ways to choose, each in a file of its own with its paper and equations; they know texts and numbers, no files."""
