-- An experiment's tag. $1 bigint: experiment id. $2, $3 text: key and value. No rows.
insert into experiment_tag (partition, experiment_id, key, value) values (0, $1, $2, $3)
on conflict (partition, experiment_id, key) do update set value = excluded.value;
