-- How many runs were made since the UTC day began, those that are gone included. $1 text: scope. $2 text: workspace,
-- experiment id or principal. Rows: (used bigint, at timestamptz: when that was). Kind 10 is a run's creation.
with moment as materialized (select clock_timestamp() as at)

select count(entry.position) as used, moment.at
from moment
left join tracklog_log.entry as entry
    on
        entry.partition = 0
        and entry.kind = 10
        and entry.recorded_at >= date_trunc('day', moment.at, 'UTC')
        and case $1
            when 'workspace' then entry.workspace = $2
            when 'experiment' then entry.experiment_id::text = $2
            else entry.principal = $2
        end
group by moment.at;
