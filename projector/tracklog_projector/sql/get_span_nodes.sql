-- The trees of traces, with what their spans state of tokens and costs. $1 text[]: trace ids.
-- Rows: (trace_id, span_id, parent_id, usage, cost).
select trace_id, span_id, parent_id, usage, cost from span
where partition = 0 and trace_id = any($1::text[]);
