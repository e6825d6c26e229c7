-- Runs that are gone, with all that belongs to them. $1 uuid[]: ids. $2 text[]: the ids as texts.
-- Rows: (experiment_id, name, digest) of the datasets they had used.
with params as (delete from param where partition = 0 and run_id = any($1::uuid[])),

tags as (delete from tag where partition = 0 and run_id = any($1::uuid[])),

metrics as (delete from metric where partition = 0 and run_id = any($1::uuid[])),

fresh_metrics as (delete from metric_fresh where partition = 0 and run_id = any($1::uuid[])),

models as (delete from run_model where partition = 0 and run_id = any($1::uuid[])),

documents as (delete from run_document where partition = 0 and run_id = any($1::uuid[])),

chunks as (delete from chunk where partition = 0 and run_id = any($1::uuid[])),

model_metrics as (delete from model_metric where run_id = any($1::uuid[])),

traces as (delete from trace_run where partition = 0 and run_id = any($1::uuid[])),

counters as (delete from usage where partition = 0 and scope = 'run' and subject = any($2::text[])),

runs as (delete from run where partition = 0 and run_id = any($1::uuid[]))

delete from run_dataset where partition = 0 and run_id = any($1::uuid[])
returning experiment_id, name, digest;
