"""A document goes in: list, plan, fetch, parse, chunk, embed, write the indexes, record. One direction, no way back."""
