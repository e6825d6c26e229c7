"""The write side: decode, admit, append."""
