"""The nouns that every room shares, and the small functions that have no other home."""
