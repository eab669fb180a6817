"""PostgreSQL: pool, routing by readPreference, event log tail, migrations, embedded server."""
