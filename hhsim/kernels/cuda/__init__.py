"""Loops, launches and memory of a CUDA device. No physics: that is in the rendered `step`.

A step is two launches on one stream, or three where there are Poisson inputs: `scatter` brings the spikes
whose delay is over to the arrivals of their targets, `bring_trains` adds those of the inputs, and `update`
advances every cell and writes down who fired. Nothing comes back to the host before a chunk of steps is over.

Only this room and its engine import `numba.cuda` (the package numba-cuda, the extra `cuda`).
"""
