-- An experiment deleted or restored. $1 bigint: id. $2 boolean: deleted. $3 bigint: when. No rows.
update experiment set deleted = $2, updated_ms = $3 where partition = 0 and experiment_id = $1;
