-- New params of logged models. $1 text[], $2 text[], $3 text[]: model ids, keys, values, pairwise. No rows.
insert into tracklog_admission.model_param (partition, model_id, key, value)
select 0, given.* from unnest($1::text[], $2::text[], $3::text[]) as given;
