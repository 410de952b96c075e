"""Every item as a row of arrays, and the indexes that find it."""
