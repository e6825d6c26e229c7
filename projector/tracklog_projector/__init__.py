"""The read side: tail the log, fold it into views, answer queries."""
