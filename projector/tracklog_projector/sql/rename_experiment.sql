-- An experiment's new name. $1 bigint: id. $2 text: name. $3 bigint: when. No rows.
update experiment set name = $2, updated_ms = $3 where partition = 0 and experiment_id = $1;
