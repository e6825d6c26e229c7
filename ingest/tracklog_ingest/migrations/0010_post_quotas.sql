-- The function of this name that knows of changed quotas has taken its place.
drop function tracklog_admission.append_points(
    uuid[], bigint[], smallint, smallint, text[], text[], bytea[], bigint, uuid[], bigint[], bigint[], bigint[]
);
