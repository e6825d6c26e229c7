-- Is nothing left in an experiment. $1 bigint: its id. Rows: one boolean.
select
    not exists (select from run where experiment_id = $1)
    and not exists (select from model where experiment_id = $1)
    and not exists (select from trace where experiment_id = $1);
