"""What tests and rehearsals share: machines that are not there."""
