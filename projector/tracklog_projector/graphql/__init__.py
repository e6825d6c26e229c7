"""GraphQL as MLflow's web page asks it: four queries over the views."""
