"""Users: registration, log-in and the first administrator."""
