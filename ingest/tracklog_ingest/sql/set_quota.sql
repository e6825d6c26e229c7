-- Limit something, or change the limit; what is used stays known, but a bucket that becomes smaller is full at most.
-- $1, $2, $3 text: scope, subject, name. $4 bigint: the most there may be. $5 bigint, $6 timestamptz: what is used, and
-- when that was (null: now), where it is limited for the first time. No rows.
insert into tracklog_admission.quota as quota (partition, scope, subject, name, most, used, at)
values (0, $1, $2, $3, $4, $5, coalesce($6, clock_timestamp()))
on conflict (partition, scope, subject, name) do update
set
    most = excluded.most,
    used = case
        when $3 in ('points_per_second', 'requests_per_second') then least(quota.used, excluded.most * 1000)
        else quota.used
    end;
