-- The logged models that a group is about. $1 text[]: model ids. Rows: (model_id, experiment_id, deleted).
select model_id, experiment_id, deleted
from tracklog_admission.model
where partition = 0 and model_id = any($1::text[]);
