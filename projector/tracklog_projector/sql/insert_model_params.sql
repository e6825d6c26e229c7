-- A logged model's params. $1 text: model id. $2, $3 text[]: keys and values. No rows.
insert into model_param (partition, model_id, key, value)
select 0, $1, given.* from unnest($2::text[], $3::text[]) as given
on conflict do nothing;
