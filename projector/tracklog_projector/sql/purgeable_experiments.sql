-- Experiments that were deleted long ago. $1 bigint: up to this time, in ms since 1970. $2 bigint: after this id.
-- $3 integer: at most so many. Rows: (experiment_id, artifact_location, last_position), by id.
select experiment.experiment_id, experiment.artifact_location, known.last_position
from experiment
inner join tracklog_admission.experiment as known
    on known.partition = experiment.partition and known.experiment_id = experiment.experiment_id
where
    experiment.partition = 0
    and experiment.experiment_id > $2
    and experiment.deleted
    and experiment.updated_ms <= $1
    and known.deleted
order by experiment.experiment_id
limit $3;
