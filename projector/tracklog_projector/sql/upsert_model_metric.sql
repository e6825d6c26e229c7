-- A model's latest point of a metric, kept where it is later than what is there. $1 text: model id.
-- $2 uuid: run id. $3, $4 text: dataset name and digest, or ''. $5 text: key. $6 double precision: value.
-- $7 bigint: timestamp. $8 bigint: step. No rows.
insert into model_metric (
    partition, model_id, run_id, dataset_name, dataset_digest, key, value, "timestamp", step
)
values (0, $1, $2, $3, $4, $5, $6, $7, $8)
on conflict (partition, model_id, key, run_id, dataset_name_md5, dataset_digest) do update
set value = excluded.value, "timestamp" = excluded."timestamp", step = excluded.step
where
    (
        excluded.step,
        excluded."timestamp",
        coalesce(nullif(excluded.value, 'NaN'), 0),
        excluded.value <> 'NaN'
    ) > (
        model_metric.step,
        model_metric."timestamp",
        coalesce(nullif(model_metric.value, 'NaN'), 0),
        model_metric.value <> 'NaN'
    );
