-- Limit something, or change the limit; what is used stays known. $1, $2, $3 text: scope, subject, name. $4 bigint: the
-- most there may be. $5 bigint: what is used, where it is limited for the first time. No rows.
insert into tracklog_admission.quota (partition, scope, subject, name, most, used)
values (0, $1, $2, $3, $4, $5)
on conflict (partition, scope, subject, name) do update set most = excluded.most;
