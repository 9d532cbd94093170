"""The nouns: what vCenter shows, what CloudStack shows, what we find and what becomes of a row."""
