-- Give the room of merged chunks back to new ones. Not inside a transaction. No parameters, no rows.
vacuum chunk;
