-- For a connection that looks rows up by key only: plans made once, while the tables are small, stay right when they
-- have grown. Several statements, no parameters, no rows.
set enable_seqscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
set plan_cache_mode = force_generic_plan;
-- Whoever stands still in the middle of its turn, a stopped process or a node that is cut off, loses it: until then
-- nobody else can append.
set idle_in_transaction_session_timeout = '5s';
