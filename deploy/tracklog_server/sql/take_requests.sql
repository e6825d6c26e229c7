-- Take requests out of a bucket that all processes share, which refills with time. $1, $2, $3 text: scope, subject and name
-- of the limit. $4 bigint: how many are wanted. Rows: (granted bigint, wait_s double precision: until there is one again),
-- or none when there is no such limit any more.
with locked as (
    select
        most,
        greatest(
            0, used - floor(extract(epoch from clock_timestamp() - at)::double precision * most * 1000)
        )::bigint as used
    from tracklog_admission.quota
    where partition = 0 and scope = $1 and subject = $2 and name = $3
    for update
),

taken as (
    select most, used, least($4::bigint, greatest(0, most - (used + 999) / 1000)) as granted from locked
)

update tracklog_admission.quota as quota
set used = taken.used + taken.granted * 1000, at = clock_timestamp()
from taken
where quota.partition = 0 and quota.scope = $1 and quota.subject = $2 and quota.name = $3
returning
    taken.granted,
    greatest(0, taken.used + 1000 - taken.most * 1000)::double precision / (taken.most * 1000) as wait_s;
