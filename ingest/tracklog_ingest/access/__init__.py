"""Changes of who may do what: each takes its turn at the log, and is an entry of it."""
