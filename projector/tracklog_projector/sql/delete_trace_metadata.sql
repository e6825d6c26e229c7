-- The metadata of traces that is gone. $1, $2 text[]: trace ids and keys. No rows.
delete from trace_metadata as gone
using unnest($1::text[], $2::text[]) as given (trace_id, key)
where gone.partition = 0 and gone.trace_id = given.trace_id and gone.key = given.key;
