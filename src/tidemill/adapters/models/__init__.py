"""Models and what they were trained on: MLflow and Parquet."""
