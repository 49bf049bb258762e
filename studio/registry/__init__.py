"""What is registered of a model, for pipelines and gateways: its versions in our form and in MLflow's, and
the list of its training runs."""
