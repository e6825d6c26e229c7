-- New params. $1 uuid[], $2 text[], $3 text[]: run ids, keys, values, pairwise. No rows.
insert into tracklog_admission.param (partition, run_id, key, value)
select 0, given.* from unnest($1::uuid[], $2::text[], $3::text[]) as given;
