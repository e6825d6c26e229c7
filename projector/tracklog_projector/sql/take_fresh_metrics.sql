-- Take out the latest points on their way of the runs that have waited longest. $1 integer: how many rows are looked
-- at to find these runs. Rows: (run_id, position, experiment_id, payload), in no order.
delete from metric_fresh as fresh
using (
    select distinct oldest.run_id
    from (select run_id from metric_fresh where partition = 0 order by since limit $1::integer) as oldest
) as waiting
where fresh.partition = 0 and fresh.run_id = waiting.run_id
returning fresh.run_id, fresh.position, fresh.experiment_id, fresh.payload;
