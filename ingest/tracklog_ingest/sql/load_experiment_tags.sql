-- Experiment tags already set. $1 bigint[], $2 text[]: experiment ids and keys, pairwise. Rows: (experiment_id, key).
select tag.experiment_id, tag.key
from unnest($1::bigint[], $2::text[]) as wanted (experiment_id, key)
inner join tracklog_admission.experiment_tag as tag
    on tag.partition = 0 and tag.experiment_id = wanted.experiment_id and tag.key = wanted.key collate "C";
