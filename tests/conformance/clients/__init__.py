"""Programs that use MLflow as its users do, each run by a Python of its own with other packages."""
