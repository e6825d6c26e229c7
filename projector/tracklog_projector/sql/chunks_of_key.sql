-- Chunks that may hold points of a key; open ones with their payload, since only that tells. $1 uuid: run id.
-- $2 text: key. Rows: (chunk_id, batch, points, step_min, step_max, timestamp_min, timestamp_max, payload or null).
select chunk_id, batch, points, step_min, step_max, timestamp_min, timestamp_max, null::bytea as payload
from chunk
where partition = 0 and run_id = $1 and first_key = $2 and sealed
union all
select chunk_id, batch, points, step_min, step_max, timestamp_min, timestamp_max, payload
from chunk
where partition = 0 and run_id = $1 and first_key <= $2 and last_key >= $2 and not sealed;
