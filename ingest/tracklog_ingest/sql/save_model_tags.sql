-- Tag keys of logged models that became set. $1 text[], $2 text[]: model ids and keys, pairwise. No rows.
insert into tracklog_admission.model_tag (partition, model_id, key)
select 0, given.* from unnest($1::text[], $2::text[]) as given
on conflict do nothing;
