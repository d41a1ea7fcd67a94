"""Products of an inversion: the variables of a result, and attributes that record how they were made."""
