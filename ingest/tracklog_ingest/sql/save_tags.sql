-- Tag keys that became set. $1 uuid[], $2 text[]: run ids and keys, pairwise. No rows.
insert into tracklog_admission.tag (partition, run_id, key)
select 0, given.* from unnest($1::uuid[], $2::text[]) as given
on conflict do nothing;
