"""The item tower: an item's vector near those of items that it is chosen with."""
