-- Which tags of traces are set. $1, $2 text[]: trace ids and keys. Rows: (trace_id, key), of those that are.
select tag.trace_id, tag.key
from unnest($1::text[], $2::text[]) as wanted (trace_id, key)
inner join tracklog_admission.trace_tag as tag
    on tag.partition = 0 and tag.trace_id = wanted.trace_id and tag.key = wanted.key;
