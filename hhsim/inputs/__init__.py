"""What drives cells from outside: trains of spikes and currents."""
