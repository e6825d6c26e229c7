"""The scenario that MLflow clients of several versions play, each in an environment of its own."""
