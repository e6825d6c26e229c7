-- Tags of traces that are gone. $1, $2 text[]: trace ids and keys. No rows.
delete from tracklog_admission.trace_tag as tag
using unnest($1::text[], $2::text[]) as given (trace_id, key)
where tag.partition = 0 and tag.trace_id = given.trace_id and tag.key = given.key;
