-- Take the log's turn inside a transaction; nobody else appends until its end. No parameters. Rows: one bigint.
select position from tracklog_log.head where partition = 0 for update;
