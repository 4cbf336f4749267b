"""What is needed to go on where a run stopped, on disk."""
