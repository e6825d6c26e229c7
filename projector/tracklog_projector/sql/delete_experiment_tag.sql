-- An experiment's tag that is gone. $1 bigint: experiment id. $2 text: key. No rows.
delete from experiment_tag where partition = 0 and experiment_id = $1 and key = $2;
