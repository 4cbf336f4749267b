"""Whole runs: from a config to a closed file, a checkpoint and a summary."""
