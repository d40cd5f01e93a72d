"""Where runs are kept: one SQLite file, or a PostgreSQL database that processes of several machines share."""
