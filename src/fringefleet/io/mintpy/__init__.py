"""Names, attributes, maps and geometry in MintPy's files."""
