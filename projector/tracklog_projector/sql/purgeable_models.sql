-- Logged models that were deleted long ago, alone or with their experiment. $1 bigint: up to this time, in ms since
-- 1970. $2 text: after this id. $3 integer: at most so many. Rows: (model_id, last_position, artifact_uri), by id.
select model.model_id, known.last_position, model.artifact_uri
from model
inner join tracklog_admission.model as known
    on known.partition = model.partition and known.model_id = model.model_id
inner join experiment on experiment.partition = model.partition and experiment.experiment_id = model.experiment_id
where
    model.partition = 0
    and model.model_id > $2
    and (
        (model.deleted and model.updated_ms <= $1)
        or (experiment.deleted and experiment.updated_ms <= $1)
    )
order by model.model_id
limit $3;
