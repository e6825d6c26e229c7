-- How often access has changed. No parameters. Rows: one bigint.
select number from tracklog_access.version;
