-- Is this a database that takes writes, with a log. No parameters. Rows: one boolean.
select not pg_is_in_recovery() and not current_setting('transaction_read_only')::boolean and count(*) > 0
from tracklog_log.head;
