-- A logged model's change; null leaves a column as it was. $1 text: id. $2 smallint: status. $3 bigint: when.
-- $4 boolean: deleted. No rows.
update model
set status = coalesce($2, status), updated_ms = $3, deleted = coalesce($4, deleted)
where partition = 0 and model_id = $1;
