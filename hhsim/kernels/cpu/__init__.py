"""The loops of a processor's threads over their cells and spikes; no physics."""
