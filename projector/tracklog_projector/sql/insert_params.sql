-- Params. $1 uuid[]: run ids. $2 bigint[]: their experiments. $3, $4 text[]: keys and values. No rows.
insert into param (partition, run_id, experiment_id, key, value)
select 0, given.* from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) as given
on conflict do nothing;
