"""What is registered of a model, for pipelines and gateways: so far the list of its training runs."""
