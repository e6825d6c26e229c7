-- The function of this name that takes every entry's own workspace and principal has taken its place.
drop function tracklog_admission.append_points(
    uuid[], bigint[], smallint, smallint, text, text, bytea[], bigint, uuid[], bigint[], bigint[], bigint[]
);
