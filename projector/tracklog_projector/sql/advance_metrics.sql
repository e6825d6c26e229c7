-- Note up to where `metric` is complete, and tell who waits. No parameters. Rows: (metrics_position, told void).
with moved as (
    update checkpoint
    set metrics_position = coalesce((select min(since) from metric_fresh where partition = 0), position)
    where partition = 0
    returning position, metrics_position
)

select
    metrics_position,
    pg_notify('tracklog_views', current_schema() || ':' || position || ':' || metrics_position) as told
from moved;
