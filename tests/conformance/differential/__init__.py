"""Generated calls sent to MLflow's own server and to tracklog's, and what tells their answers apart."""
