"""What all rooms agree on: events and their bytes, ids, limits, errors."""
