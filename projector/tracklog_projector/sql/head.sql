-- Where the log ends. No parameters. Rows: one bigint.
select position from tracklog_log.head where partition = 0;
