"""Observations of a pair, and how much each counts: quantities, units, masks and weights."""
