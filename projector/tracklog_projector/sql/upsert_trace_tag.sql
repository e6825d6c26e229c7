-- The tag of traces. $1, $2, $3 text[]: trace ids, keys and values. No rows.
insert into trace_tag (partition, trace_id, key, value)
select 0, given.* from unnest($1::text[], $2::text[], $3::text[]) as given
on conflict (partition, trace_id, key) do update set value = excluded.value;
