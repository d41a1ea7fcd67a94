"""Lazily indexed variables: read, decoded and checked on access."""
