-- Traces that are gone, with all that belongs to them; their links to runs stay, as they may come before. $1 text[]: ids.
-- No rows.
with tags as (delete from trace_tag where partition = 0 and trace_id = any($1::text[])),

metadata as (delete from trace_metadata where partition = 0 and trace_id = any($1::text[])),

spans as (delete from span where partition = 0 and trace_id = any($1::text[])),

assessments as (delete from assessment where partition = 0 and trace_id = any($1::text[]))

delete from trace where partition = 0 and trace_id = any($1::text[]);
