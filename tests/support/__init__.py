"""What tests and rehearsals share, such as simulated machines."""
