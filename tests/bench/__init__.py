"""tracklog and MLflow's own server side by side on this machine: `python -m tests.bench`."""
