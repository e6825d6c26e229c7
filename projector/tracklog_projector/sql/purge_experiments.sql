-- Experiments that are gone. $1 bigint[]: ids. $2 text[]: the ids as texts. No rows.
with tags as (delete from experiment_tag where partition = 0 and experiment_id = any($1::bigint[])),

datasets as (delete from dataset where partition = 0 and experiment_id = any($1::bigint[])),

counters as (delete from usage where partition = 0 and scope = 'experiment' and subject = any($2::text[]))

delete from experiment where partition = 0 and experiment_id = any($1::bigint[]);
