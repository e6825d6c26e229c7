-- Give the room of superseded latest points back to new ones. Not inside a transaction. No parameters, no rows.
vacuum (analyze) metric;
