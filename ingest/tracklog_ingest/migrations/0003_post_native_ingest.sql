-- The function of this name that takes numbered requests too has taken its place.
drop function tracklog_admission.append_points(
    uuid[], bigint[], smallint, smallint, text, text, bytea[], bigint
);
