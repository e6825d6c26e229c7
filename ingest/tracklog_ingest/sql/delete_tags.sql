-- Tag keys that are gone. $1 uuid[], $2 text[]: run ids and keys, pairwise. No rows.
delete from tracklog_admission.tag as tag
using unnest($1::uuid[], $2::text[]) as gone (run_id, key)
where
    tag.partition = 0
    and tag.run_id = any($1::uuid[])
    and tag.run_id = gone.run_id
    and tag.key = gone.key collate "C";
