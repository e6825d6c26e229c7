-- Logged models that are gone, with all that belongs to them. $1 text[]: ids. No rows.
with params as (delete from model_param where partition = 0 and model_id = any($1::text[])),

tags as (delete from model_tag where partition = 0 and model_id = any($1::text[])),

metrics as (delete from model_metric where partition = 0 and model_id = any($1::text[]))

delete from model where partition = 0 and model_id = any($1::text[]);
