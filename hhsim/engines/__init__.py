"""What advances a network in memory: one engine for each kind of device, all with the verbs of `Engine`.

`compile`, `advance`, and what a chunk of steps left behind: `spikes`, `frames`, `failure`. Then
`keep_history` makes room for the next chunk. `snapshot` and `restore` take and set all that decides what
comes next, in the same form whatever the engine and however it cuts the network.
"""
