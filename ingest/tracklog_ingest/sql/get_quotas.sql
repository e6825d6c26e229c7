-- What is limited, with what is used as it was noted last. $1 text: scope; $2 text: subject; null: all.
-- Rows: (scope, subject, name, most, used, at_s, now_s), by scope, subject and name; times in seconds since 1970.
select
    scope,
    subject,
    name,
    most,
    used,
    extract(epoch from at)::double precision as at_s,
    extract(epoch from clock_timestamp())::double precision as now_s
from tracklog_admission.quota
where partition = 0 and (scope = $1 or $1 is null) and (subject = $2 or $2 is null)
order by scope, subject, name;
