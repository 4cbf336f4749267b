"""Loops, launches and memory of each kind of device; no physics."""
