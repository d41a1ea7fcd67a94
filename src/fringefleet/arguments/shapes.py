"""Names of pairs of whole numbers: the size of a grid, a pixel of it, a tile of it."""

Shape = tuple[int, int]  # rows and columns
Pixel = tuple[int, int]  # row and column
TileIndex = tuple[int, int]  # row and column of a tile in the grid of tiles
