"""The composition root: command line, settings, processes."""
