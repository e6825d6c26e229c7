-- Traces, new or changed. $1 text[]: ids. $2 bigint[]: experiments. $3 boolean[]: are the spans elsewhere.
-- $4 bigint[]: positions of their last entries. No rows.
insert into tracklog_admission.trace (partition, trace_id, experiment_id, elsewhere, last_position)
select 0, given.* from unnest($1::text[], $2::bigint[], $3::boolean[], $4::bigint[]) as given
on conflict (partition, trace_id) do update
set
    experiment_id = excluded.experiment_id,
    elsewhere = excluded.elsewhere,
    last_position = excluded.last_position;
