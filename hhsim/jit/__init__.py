"""Everything about Numba: its options, its cache, its threads, and what it lacks."""
