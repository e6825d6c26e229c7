-- Logged models that are new or changed. $1 text[]: ids. $2 bigint[]: experiment ids. $3 boolean[]: deleted.
-- $4 bigint[]: last positions. No rows.
insert into tracklog_admission.model (partition, model_id, experiment_id, deleted, last_position)
select 0, given.* from unnest($1::text[], $2::bigint[], $3::boolean[], $4::bigint[]) as given
on conflict (partition, model_id) do update
set deleted = excluded.deleted, last_position = excluded.last_position;
