"""What the operating system does for a run: signals, memory, ranks, and files that are opened safely."""
