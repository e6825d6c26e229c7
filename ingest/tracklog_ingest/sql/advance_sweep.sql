-- The log was gone through up to here. $1 bigint: position. No rows.
update tracklog_admission.log_sweep set position = $1
where partition = 0;
