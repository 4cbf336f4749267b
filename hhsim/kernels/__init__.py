"""What is compiled: the loops over cells and spikes, and the text of the steps that they call."""
