"""Everything outside this process, one folder per need: files, MLflow, execution of runs, serving of models."""
