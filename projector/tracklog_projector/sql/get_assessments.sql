-- What is said of traces. $1 text[]: trace ids. Rows: (trace_id, document), by assessment id.
select trace_id, document from assessment
where partition = 0 and trace_id = any($1::text[])
order by assessment_id;
