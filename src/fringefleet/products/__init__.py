"""Products of an inversion: the variables of a result, and what they record of how they were made."""
