"""Checks of files before their content is relied on."""
