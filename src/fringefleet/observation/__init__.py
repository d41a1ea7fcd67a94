"""Observations of the pairs, and their weights: quantities, units, masks and weight functions."""
