"""Clusters: the batches of a run on any number of actors and machines, with Ray Data."""
