-- Delete or restore every run of an experiment. $1 bigint: experiment id. $2 boolean: deleted.
-- $3 bigint: the position that says so. No rows.
update tracklog_admission.run set deleted = $2, last_position = $3
where partition = 0 and experiment_id = $1 and not purged;
