"""SONATA circuits of others, read: edges, nodes, types of edges. Needs no Numba."""
