"""A file for each format of exported spikes: its `write` takes a recording and a selection."""
