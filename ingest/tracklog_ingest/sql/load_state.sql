-- Everything that a group of commands wants to know, in one round trip. $1 uuid[]: runs. $2 bigint[]: experiments.
-- $3, $4 text[]: workspaces and names of experiments, pairwise. $5 uuid[], $6 text[]: params, by run and key.
-- $7 uuid[], $8 text[]: tags, by run and key. $9 bigint[], $10 text[]: tags, by experiment and key.
-- $11 text[]: logged models. $12, $13 text[]: their params; $14, $15 text[]: their tags, by model and key.
-- $16 integer: how many new experiment ids; one that is not used leaves a gap.
-- Rows: (kind text, item jsonb), the items as lists in the order of the columns below.
-- `offset 0` keeps each wanted key on the outside of its look-up: while tables were small, a plan that reads all of
-- one would seem as good, and would be kept when it has grown.
select 'head' as kind, jsonb_build_array(position, quotas) as item
from tracklog_log.head
where partition = 0
union all
select
    'run',
    jsonb_build_array(
        run_id, experiment_id, name, user_id, artifact_uri, status, start_ms, end_ms, deleted, points, params, tags,
        purged
    )
from tracklog_admission.run
where partition = 0 and run_id = any($1::uuid[])
union all
select
    'experiment',
    jsonb_build_array(experiment_id, workspace, name, artifact_location, deleted, runs, tags)
from tracklog_admission.experiment
where partition = 0 and experiment_id = any($2::bigint[])
union all
select
    'experiment',
    jsonb_build_array(
        named.experiment_id, named.workspace, named.name, named.artifact_location, named.deleted, named.runs,
        named.tags
    )
from unnest($3::text[], $4::text[]) as wanted (workspace, name)
cross join lateral (
    select * from tracklog_admission.experiment as experiment
    where experiment.workspace = wanted.workspace and experiment.name = wanted.name
    offset 0
) as named
union all
select 'param', jsonb_build_array(wanted.run_id, wanted.key, found.value)
from unnest($5::uuid[], $6::text[]) as wanted (run_id, key)
cross join lateral (
    select param.value from tracklog_admission.param as param
    where param.partition = 0 and param.run_id = wanted.run_id and param.key = wanted.key collate "C"
    offset 0
) as found
union all
select 'tag', jsonb_build_array(wanted.run_id, wanted.key)
from unnest($7::uuid[], $8::text[]) as wanted (run_id, key)
cross join lateral (
    select from tracklog_admission.tag as tag
    where tag.partition = 0 and tag.run_id = wanted.run_id and tag.key = wanted.key collate "C"
    offset 0
) as found
union all
select 'experiment_tag', jsonb_build_array(wanted.experiment_id, wanted.key)
from unnest($9::bigint[], $10::text[]) as wanted (experiment_id, key)
cross join lateral (
    select from tracklog_admission.experiment_tag as tag
    where
        tag.partition = 0
        and tag.experiment_id = wanted.experiment_id
        and tag.key = wanted.key collate "C"
    offset 0
) as found
union all
select 'model', jsonb_build_array(model_id, experiment_id, deleted)
from tracklog_admission.model
where partition = 0 and model_id = any($11::text[])
union all
select 'model_param', jsonb_build_array(wanted.model_id, wanted.key, found.value)
from unnest($12::text[], $13::text[]) as wanted (model_id, key)
cross join lateral (
    select param.value from tracklog_admission.model_param as param
    where
        param.partition = 0
        and param.model_id = wanted.model_id collate "C"
        and param.key = wanted.key collate "C"
    offset 0
) as found
union all
select 'model_tag', jsonb_build_array(wanted.model_id, wanted.key)
from unnest($14::text[], $15::text[]) as wanted (model_id, key)
cross join lateral (
    select from tracklog_admission.model_tag as tag
    where
        tag.partition = 0
        and tag.model_id = wanted.model_id collate "C"
        and tag.key = wanted.key collate "C"
    offset 0
) as found
union all
select 'new_experiment_id', to_jsonb(nextval('tracklog_admission.experiment_id'))
from generate_series(1, $16::integer);
