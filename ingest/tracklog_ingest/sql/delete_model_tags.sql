-- Tag keys of logged models that are gone. $1 text[], $2 text[]: model ids and keys, pairwise. No rows.
delete from tracklog_admission.model_tag as tag
using unnest($1::text[], $2::text[]) as gone (model_id, key)
where tag.partition = 0 and tag.model_id = gone.model_id collate "C" and tag.key = gone.key collate "C";
