-- How often quotas have changed. No parameters. Rows: one bigint.
select quotas from tracklog_log.head
where partition = 0;
