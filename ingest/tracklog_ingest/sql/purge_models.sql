-- Logged models that are gone: all that stays known is the id. $1 text[]: ids. No rows.
with params as (delete from tracklog_admission.model_param where partition = 0 and model_id = any($1::text[])),

tags as (delete from tracklog_admission.model_tag where partition = 0 and model_id = any($1::text[]))

update tracklog_admission.model set deleted = true
where partition = 0 and model_id = any($1::text[]);
