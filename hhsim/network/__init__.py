"""Which cells are connected, with what weights and delays: drawn, or from files, and cut into parts."""
