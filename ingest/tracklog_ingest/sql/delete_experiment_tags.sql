-- Experiment tag keys that are gone. $1 bigint[], $2 text[]: experiment ids and keys, pairwise. No rows.
delete from tracklog_admission.experiment_tag as tag
using unnest($1::bigint[], $2::text[]) as gone (experiment_id, key)
where tag.partition = 0 and tag.experiment_id = gone.experiment_id and tag.key = gone.key collate "C";
