-- Tags of logged models. $1 text[], $2 text[]: model ids and keys, pairwise. Rows: (model_id, key).
select tag.model_id, tag.key
from unnest($1::text[], $2::text[]) as wanted (model_id, key)
inner join tracklog_admission.model_tag as tag
    on tag.partition = 0 and tag.model_id = wanted.model_id collate "C" and tag.key = wanted.key collate "C";
