"""The arrays of a part of the network while it runs."""
