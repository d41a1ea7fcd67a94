"""Checks of files before anything in them is relied on."""
