-- Limits of totals and rates with what is used of them, as admission knows them under the head's lock. $1, $2 text[]:
-- scopes and subjects, pairwise. $3 text[]: names of limits.
-- Rows: (scope, subject, name, most, used, at_s, now_s), times in seconds since 1970.
select
    quota.scope,
    quota.subject,
    quota.name,
    quota.most,
    quota.used,
    extract(epoch from quota.at)::double precision as at_s,
    extract(epoch from clock_timestamp())::double precision as now_s
from unnest($1::text[], $2::text[]) as wanted (scope, subject)
inner join tracklog_admission.quota as quota
    on quota.partition = 0 and quota.scope = wanted.scope and quota.subject = wanted.subject collate "C"
where quota.name = any($3::text[]);
