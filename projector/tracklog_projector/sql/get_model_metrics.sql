-- Points of logged models' metrics, by key, time and step. $1 text[]: model ids.
-- Rows: (model_id, key, value, timestamp, step, run_id, dataset_name, dataset_digest).
select model_id, key, value, "timestamp", step, run_id, dataset_name, dataset_digest
from model_metric
where partition = 0 and model_id = any($1::text[])
order by model_id, key, "timestamp", step, run_id;
