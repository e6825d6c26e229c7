-- Where applied migrations are written down. No parameters, no rows.
create schema tracklog_meta
create table migration (
    name text primary key,
    digest text not null, -- sha256 of the file
    applied_at timestamptz not null default now()
);
