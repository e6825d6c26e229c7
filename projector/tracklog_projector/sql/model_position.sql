-- Where a logged model's last entry is. $1 text: model id. Rows: one bigint, or none.
-- A model's metrics come with entries of runs, which count as its experiment's; so that one's last entry counts.
select experiment.last_position
from tracklog_admission.model as model
inner join tracklog_admission.experiment as experiment
    on experiment.partition = model.partition and experiment.experiment_id = model.experiment_id
where model.partition = 0 and model.model_id = $1;
