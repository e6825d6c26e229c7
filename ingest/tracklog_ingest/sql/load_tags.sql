-- Tags already set. $1 uuid[], $2 text[]: run ids and keys, pairwise. Rows: (run_id, key).
select tag.run_id, tag.key
from unnest($1::uuid[], $2::text[]) as wanted (run_id, key)
inner join tracklog_admission.tag as tag
    on tag.partition = 0 and tag.run_id = wanted.run_id and tag.key = wanted.key collate "C";
