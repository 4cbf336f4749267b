"""A file for each format in which spikes are exported: its `write` is called with a recording and a selection."""
