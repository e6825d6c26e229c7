-- Traces linked to runs. $1 uuid[]: run ids. $2 text[]: trace ids. No rows.
insert into trace_run (partition, run_id, trace_id)
select 0, given.* from unnest($1::uuid[], $2::text[]) as given
on conflict (partition, run_id, trace_id) do nothing;
