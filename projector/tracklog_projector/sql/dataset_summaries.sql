-- The datasets used in experiments, each once per context it was used in. $1 bigint[]: experiment ids.
-- $2 integer: how many rows at most. Rows: (experiment_id, name, digest, context), context null without one.
select distinct
    experiment_id,
    name,
    digest,
    tags ->> 'mlflow.data.context' as context
from run_dataset
where partition = 0 and experiment_id = any($1::bigint[])
order by experiment_id, name, digest, context
limit $2;
