-- A run's open chunks, oldest batch first. $1 uuid: run id.
-- Rows: (chunk_id, batch, level, first_key, last_key, points, payload_bytes).
select chunk_id, batch, level, first_key, last_key, points, octet_length(payload) as payload_bytes
from chunk
where partition = 0 and run_id = $1 and not sealed
order by batch, chunk_id;
