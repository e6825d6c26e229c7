-- Traces that are deleted, with their tags and assessments. $1 text[]: ids. No rows.
with tags as (
    delete from tracklog_admission.trace_tag where partition = 0 and trace_id = any($1::text[])
),

assessments as (
    delete from tracklog_admission.assessment where partition = 0 and trace_id = any($1::text[])
)

delete from tracklog_admission.trace where partition = 0 and trace_id = any($1::text[]);
