-- Experiment tag keys that became set. $1 bigint[], $2 text[]: experiment ids and keys, pairwise. No rows.
insert into tracklog_admission.experiment_tag (partition, experiment_id, key)
select 0, given.* from unnest($1::bigint[], $2::text[]) as given
on conflict do nothing;
