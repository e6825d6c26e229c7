-- Move the checkpoint, if it is where the caller thinks, and tell who waits, with the schema's name: views being
-- rebuilt are ahead of the live ones, or behind. $1 bigint: from. $2 bigint: to. $3 timestamptz: when the last folded
-- entry was recorded. $4 boolean: did this fold leave latest points on their way.
-- Rows: one void when it moved, none when it did not.
with moved as (
    update checkpoint
    set
        position = $2,
        recorded_at = $3,
        metrics_position = case when not $4 and metrics_position = position then $2 else metrics_position end
    where partition = 0 and position = $1
    returning position, metrics_position
)

select pg_notify('tracklog_views', current_schema() || ':' || moved.position || ':' || moved.metrics_position)
from moved;
