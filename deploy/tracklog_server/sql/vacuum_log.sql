-- Let new entries take the room of payloads that are gone. Not inside a transaction. No parameters, no rows.
vacuum tracklog_log.entry;
