alter table tracklog_admission.upload_intent add column principal text not null default ''; -- who had it signed

create index upload_intent_by_time on tracklog_admission.upload_intent (partition, expires_at) where counted;

-- How many runs a day has had already is counted when they are limited. Kind 10 is a run's creation.
create index entry_of_run_created on tracklog_log.entry (partition, recorded_at) where kind = 10;
