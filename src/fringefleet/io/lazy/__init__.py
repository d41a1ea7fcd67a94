"""Lazily indexed variables: what is read, decoded and checked when it is asked for."""
