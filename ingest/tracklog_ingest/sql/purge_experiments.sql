-- Experiments that are gone. $1 bigint[]: ids. No rows.
with tags as (delete from tracklog_admission.experiment_tag where partition = 0 and experiment_id = any($1::bigint[])),

totals as (delete from tracklog_admission.artifact_total where partition = 0 and experiment_id = any($1::bigint[]))

delete from tracklog_admission.experiment where partition = 0 and experiment_id = any($1::bigint[]);
