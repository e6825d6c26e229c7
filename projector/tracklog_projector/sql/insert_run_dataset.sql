-- A run's first use of a dataset. $1 uuid: run id. $2 bigint: experiment id. $3, $4 text: name and digest.
-- $5 bigint: its place among the run's datasets. $6 text: tags of the use, a JSON object. No rows.
insert into run_dataset (partition, run_id, experiment_id, name, digest, number, tags)
values (0, $1, $2, $3, $4, $5, $6::text::jsonb)
on conflict do nothing;
