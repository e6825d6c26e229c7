-- Tags of traces that are set. $1, $2 text[]: trace ids and keys. No rows.
insert into tracklog_admission.trace_tag (partition, trace_id, key)
select 0, given.* from unnest($1::text[], $2::text[]) as given
on conflict (partition, trace_id, key) do nothing;
