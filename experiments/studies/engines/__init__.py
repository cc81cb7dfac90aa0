"""What carries out the runs of a study: processes of this machine, or a Ray cluster."""
