-- A run's first link to a model. $1 uuid: run id. $2 text: model id. $3 boolean: made (true) or read.
-- $4 bigint: step or null. $5 bigint: position of the entry. No rows.
insert into run_model (partition, run_id, model_id, output, step, number) values (0, $1, $2, $3, $4, $5)
on conflict do nothing;
