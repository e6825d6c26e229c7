-- Say that quotas have changed: whoever appends next reads them again. The caller has the log's turn. No
-- parameters, no rows.
update tracklog_log.head set quotas = quotas + 1
where partition = 0;
