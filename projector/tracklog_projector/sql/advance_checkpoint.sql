-- Move the checkpoint, if it is where the caller thinks, and tell who waits for the live views: what a rebuild has
-- folded cannot be read yet. $1 bigint: from. $2 bigint: to. $3 timestamptz: when the last folded entry was recorded.
-- Rows: one void when live views moved, else none.
with moved as (
    update checkpoint set position = $2, recorded_at = $3 where partition = 0 and position = $1 returning position
)

select pg_notify('tracklog_views', moved.position::text) from moved where current_schema() = 'tracklog_view';
