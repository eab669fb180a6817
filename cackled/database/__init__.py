"""PostgreSQL: pool, routing by readPreference, event log tail, migrations, embedded server.

`routing` is what others use: a `Database` and its faces. Below it `server` (heartbeat), `pool`, `link` (one connection)
and `_txpostgres`. `migrate` brings the schema up, `tail` and `eventlog` follow and read the event log, `embedded` runs
our own server, `testing` gives tests a real one.
"""
